"""
LoRA on all linears of a small language model with PyTorch and PEFT, timed: the peer of Lowrank's own run.

    train_stories.py '{"model": FOLDER, "blocks": FILE}'

FILE is a safetensors file with `train` [blocks, T] and `validation` [blocks, T] token ids. The labels are the ids: the
model shifts them, so that each block's first token is never predicted. Every step takes the next `batch` blocks of
`train` in order. Prints one JSON line.
"""

import json
import statistics
import sys
import time

import torch
import transformers
from base import load_base, peak_bytes, train_step, trainable
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file


@torch.no_grad()
def mean_loss(model, blocks, batch):
    """Mean nats over all predicted tokens."""
    losses = [model(input_ids=part, labels=part).loss * len(part) for part in blocks.split(batch)]
    return (sum(losses) / len(blocks)).item()


def train_stories(
    model,
    blocks,
    adapter=None,
    save=None,
    threads=1,
    seed=0,
    batch=8,
    rank=8,
    alpha=16,
    lr=1e-2,
    decay=0.0,
    attention="sdpa",
):
    """`adapter`: a saved adapter to start from, instead of a fresh one; `save`: a folder for the trained one."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    tensors = load_file(blocks)
    batches = tensors["train"].long().split(batch)
    validation = tensors["validation"].long()
    base = load_base(model, attention)
    if adapter:
        lora = PeftModel.from_pretrained(base, adapter, is_trainable=True)
    else:
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM")
        lora = get_peft_model(base, config)
    parameters = [p for _, p in trainable(lora)]
    optimizer = torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=decay)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, 0, len(batches))
    lora.eval()
    before = mean_loss(lora, validation, batch)
    lora.train()
    losses, seconds = [], []
    for ids in batches:
        start = time.perf_counter()
        losses.append(train_step(lora, optimizer, {"input_ids": ids, "labels": ids}))
        schedule.step()
        seconds.append(time.perf_counter() - start)
    peak = peak_bytes()
    lora.eval()
    after = mean_loss(lora, validation, batch)
    if save:
        lora.save_pretrained(save)
    tokens = batches[0].numel()
    return {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "threads": threads,
        "decay": decay,
        "trainable": sum(p.numel() for p in parameters),
        "losses": losses,
        "validation": {"before": before, "after": after},
        "stepSeconds": {"median": statistics.median(seconds), "best": min(seconds), "all": sum(seconds)},
        "tokensPerSecond": {"median": tokens / statistics.median(seconds), "best": tokens / min(seconds)},
        "peakBytes": peak,
    }


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(json.dumps(train_stories(**json.loads(sys.argv[1]))))
