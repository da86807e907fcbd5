"""Writes the losses of TRL's SFTTrainer, step by step, for the tests of @lowrank/train.

Needs trl and datasets besides requirements.txt. Run: python sft.py ../../packages/train/src/testing/sft.json
"""

import tempfile

import torch
import trl
from datasets import Dataset
from preference import BATCH, PAIRS, SIZES, STEPS, Losses, causal, text, tokenizer
from small_training import trl_settings, write
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
    config = SFTConfig(**trl_settings(tempfile.mkdtemp(), BATCH, STEPS), logging_steps=1, packing=False, **settings)
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
    write((torch, trl), sizes=SIZES, batchSize=BATCH, completions=completions, chats=chats, cases=cases)


main()
