"""Writes the losses of TRL's trainers, step by step, for the tests of @lowrank/train.

Needs trl and datasets besides requirements.txt. Run: python preference.py ../../packages/train/src/testing/preference.json
"""

import tempfile
import uuid

import torch
import trl
from datasets import Dataset, fingerprint
from small_training import set_weights, trl_settings, write
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.utils.data import SequentialSampler
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, RewardConfig, RewardTrainer
from trl.experimental.gkd import GKDTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

# Nothing is kept between runs, so results need no names by what made them.
fingerprint.Hasher.hash = classmethod(lambda cls, value: uuid.uuid4().hex)
STEPS, BATCH, VOCAB = 20, 4, 24
PAD, EOS = 0, 1
SIZES = dict(
    vocab_size=VOCAB,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=64,
    tie_word_embeddings=False,
    pad_token_id=PAD,
    eos_token_id=EOS,
    bos_token_id=None,
)


def causal(shift=0):
    return set_weights(LlamaForCausalLM(LlamaConfig(**SIZES)), shift)


def tokenizer():
    words = ["<pad>", "<eos>"] + [f"w{i}" for i in range(2, VOCAB)]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<pad>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", padding_side="right")


def text(ids):
    return "".join(f" w{i}" for i in ids)


def draw_pairs(count):
    generator = torch.Generator().manual_seed(3)
    ids = lambda low, high: torch.randint(2, VOCAB, (int(torch.randint(low, high, (), generator=generator)),), generator=generator).tolist()
    return [dict(prompt=ids(2, 6), chosen=ids(1, 6), rejected=ids(1, 6)) for _ in range(count)]


class Losses:
    """Keeps the order of the examples, and collects the loss of each step."""

    def _get_train_sampler(self, *args, **kwargs):
        return SequentialSampler(self.train_dataset)

    def compute_loss(self, *args, **kwargs):
        loss = super().compute_loss(*args, **kwargs)
        self.collected = [*getattr(self, "collected", []), float(loss[0] if isinstance(loss, tuple) else loss)]
        return loss


def run(kind, config, model, dataset, folder, **more):
    settings = config(**trl_settings(folder, BATCH, STEPS), **more.pop("settings", {}))
    trainer = type("Run", (Losses, kind), {})(model=model, args=settings, train_dataset=dataset, processing_class=tokenizer(), **more)
    trainer.train()
    return trainer.collected


def jsd(beta, temperature):
    student, teacher = causal(), causal(5)
    rows = [[i for i in pair["prompt"] + pair["chosen"] + [EOS]] for pair in PAIRS[:BATCH]]
    width = max(map(len, rows))
    ids = torch.tensor([row + [PAD] * (width - len(row)) for row in rows])
    labels = torch.tensor([[-100] * len(pair["prompt"]) + pair["chosen"] + [EOS] + [-100] * (width - len(row)) for pair, row in zip(PAIRS, rows)])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    logits = lambda model: model(ids, attention_mask=mask).logits[:, :-1]
    with torch.no_grad():
        return float(GKDTrainer.generalized_jsd_loss(logits(student), logits(teacher), labels[:, 1:], beta, temperature))


PAIRS = draw_pairs(STEPS * BATCH)


def main():
    folder = tempfile.mkdtemp()
    texts = [dict(prompt=text(p["prompt"]), chosen=text(p["chosen"]), rejected=text(p["rejected"])) for p in PAIRS]
    pairs = Dataset.from_list(texts)
    kinds = [dict(prompt=t["prompt"], completion=t["chosen"] if i % 3 else t["rejected"], label=bool(i % 3)) for i, t in enumerate(texts)]
    whole = [dict(chosen=t["prompt"] + t["chosen"], rejected=t["prompt"] + t["rejected"]) for t in texts]
    found = {}
    for loss in ["sigmoid", "hinge", "ipo"]:
        found[f"dpo {loss}"] = run(DPOTrainer, DPOConfig, causal(), pairs, folder, ref_model=causal(), settings=dict(loss_type=loss, beta=0.1))
    found["orpo"] = run(ORPOTrainer, ORPOConfig, causal(), pairs, folder, settings=dict(beta=0.1))
    found["kto"] = run(
        KTOTrainer, KTOConfig, causal(), Dataset.from_list(kinds), folder, ref_model=causal(),
        settings=dict(beta=0.1, desirable_weight=1.5, undesirable_weight=0.5),
    )
    scorer = set_weights(LlamaForSequenceClassification(LlamaConfig(num_labels=1, **SIZES)))
    found["reward"] = run(
        RewardTrainer, RewardConfig, scorer, Dataset.from_list(whole), folder, settings=dict(center_rewards_coefficient=0.01)
    )
    found["distillation"] = [[beta, t, jsd(beta, t)] for beta in [0.0, 0.3, 0.5, 1.0] for t in [1.0, 2.0]]
    write((torch, trl), sizes=SIZES, batchSize=BATCH, pairs=PAIRS, losses=found)


if __name__ == "__main__":
    main()
