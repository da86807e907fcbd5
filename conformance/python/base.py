"""What every measurement shares: loading a base, reading inputs, and measuring a model on them."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification


def load_base(folder, attention="eager"):
    """The float32 model of a Hugging Face folder, of the kind that its config's `architectures` names."""
    config = json.loads((Path(folder) / "config.json").read_text())
    classifies = config["architectures"][0].endswith("ForSequenceClassification")
    kind = AutoModelForSequenceClassification if classifies else AutoModelForCausalLM
    return kind.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention).eval()


def load_inputs(path):
    """input_ids, attention_mask and labels of a safetensors file, those that it holds, as int64."""
    tensors = load_file(path)
    return {name: tensors[name].long() for name in ("input_ids", "attention_mask", "labels") if name in tensors}


def save_tensors(tensors, path):
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, path)


def trainable(model):
    """(name without the adapter's name, parameter) of all that trains."""
    return [(n.replace(".default", ""), p) for n, p in model.named_parameters() if p.requires_grad]


def measure(model, inputs):
    """Logits; with labels the loss too, and `grad.<name>` of every trainable parameter that it reaches."""
    model.zero_grad()
    output = model(**inputs)
    tensors = {"logits": output.logits}
    if "labels" in inputs:
        tensors["loss"] = output.loss.reshape(1)
        if output.loss.requires_grad:
            output.loss.backward()
            tensors |= {f"grad.{name}": p.grad for name, p in trainable(model) if p.grad is not None}
    return tensors


def train_step(model, optimizer, inputs):
    """One optimiser step; returns the loss before it."""
    optimizer.zero_grad()
    loss = model(**inputs).loss
    loss.backward()
    optimizer.step()
    return loss.item()


def train(model, inputs, steps, lr, decay=0.0):
    """Losses of AdamW steps on one batch, each taken before its step."""
    optimizer = torch.optim.AdamW([p for _, p in trainable(model)], lr=lr, weight_decay=decay)
    return [train_step(model, optimizer, inputs) for _ in range(steps)]
