"""Writes the losses of TRL's SFTTrainer, step by step, for the tests of @lowrank/train.

Needs trl and datasets besides requirements.txt. Run: python sft.py ../../packages/train/src/testing/sft.json
"""

import json
import sys
import tempfile

import torch
import trl
from datasets import Dataset
from preference import BATCH, PAIRS, SIZES, STEPS, Losses, causal, text, tokenizer
from trl import SFTConfig, SFTTrainer

# The assistant's turns are learned, with the token that ends them.
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'assistant' %}"
    "{{ ' w2' }}{% generation %}{{ m.content + ' <eos>' }}{% endgeneration %}"
    "{% else %}{{ ' w3' + m.content }}{% endif %}{% endfor %}"
)


class Run(Losses, SFTTrainer):
    """Collects the norms of the gradients too."""

    def log(self, logs, *args, **kwargs):
        if "grad_norm" in logs:
            self.norms = [*getattr(self, "norms", []), float(logs["grad_norm"])]
        return super().log(logs, *args, **kwargs)


def run(rows, **settings):
    words = tokenizer()
    words.chat_template = TEMPLATE
    config = SFTConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=BATCH,
        max_steps=STEPS,
        learning_rate=1e-2,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        max_grad_norm=1.0,
        adam_beta2=0.999,
        gradient_checkpointing=False,
        bf16=False,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        packing=False,
        **settings,
    )
    trainer = Run(model=causal(), args=config, train_dataset=Dataset.from_list(rows), processing_class=words)
    trainer.train()
    return dict(losses=trainer.collected, norms=trainer.norms)


def chat(pair):
    turns = [("user", pair["prompt"]), ("assistant", pair["chosen"]), ("user", pair["rejected"]), ("assistant", pair["prompt"])]
    return [dict(role=role, content=text(ids)) for role, ids in turns]


def main():
    completions = [dict(prompt=text(p["prompt"]), completion=text(p["chosen"])) for p in PAIRS]
    chats = [dict(messages=chat(p)) for p in PAIRS]
    cases = dict(
        completion=run(completions, completion_only_loss=True),
        whole=run(completions, completion_only_loss=False),
        assistant=run(chats, assistant_only_loss=True),
    )
    versions = {m.__name__: m.__version__ for m in (torch, trl)}
    with open(sys.argv[1], "w") as file:
        json.dump(dict(versions=versions, sizes=SIZES, batchSize=BATCH, completions=completions, chats=chats, cases=cases), file)
        file.write("\n")


main()
