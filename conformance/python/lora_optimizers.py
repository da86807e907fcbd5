"""Writes what PEFT's optimisers of LoRA do: python lora_optimizers.py > packages/peft/src/optimizers/loraOptimizers.gen.json"""

import json

import peft
import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_lorafa_optimizer, create_riemannian_optimizer, lorafa

STEPS = 4
# Lowrank computes LoRA-FA's product in f32; PEFT's bfloat16 is compared as `rounded`.
IN_BFLOAT16 = lorafa.is_bf16_available


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(6, 5)
        self.up = torch.nn.Linear(5, 7)
        self.down = torch.nn.Linear(7, 4)
        self.head = torch.nn.Linear(4, 2)


def run(make, config, in_bfloat16):
    """Steps from random factors with random gradients. Values are given by the parameters' names."""
    torch.manual_seed(1)
    lorafa.is_bf16_available = IN_BFLOAT16 if in_bfloat16 else lambda: False
    model = get_peft_model(Tiny(), LoraConfig(**config))
    for name, p in model.named_parameters():
        if "lora" in name:
            torch.nn.init.normal_(p, std=0.5)
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    start = {name: p.detach().clone() for name, p in named.items()}
    optimizer = make(model)
    trained = {name: p for name, p in named.items() if p.requires_grad}
    steps = []
    for _ in range(STEPS):
        grads = {name: torch.randn_like(p) for name, p in trained.items()}
        for name, p in trained.items():
            p.grad = grads[name].clone()
        optimizer.step()
        values = {name: p.detach().flatten().tolist() for name, p in named.items()}
        steps.append({"grads": {name: g.flatten().tolist() for name, g in grads.items()}, "values": values})
    return {"start": {name: p.flatten().tolist() for name, p in start.items()}, "steps": steps}


LORA = {"r": 3, "lora_alpha": 5, "target_modules": ["up", "down"], "modules_to_save": ["head"]}
RANKS = LORA | {"rank_pattern": {"down": 2}, "alpha_pattern": {"up": 7}, "use_rslora": True}


def lora_fa(config, **settings):
    """A case of LoRA-FA. Its betas, eps and correction are PEFT's defaults, since its function takes no others."""

    def make(model):
        return create_lorafa_optimizer(model, r=config["r"], lora_alpha=config["lora_alpha"], **settings)

    return run(make, config, False) | {"rounded": run(make, config, True)["steps"]}


def riemannian(name, config, **settings):
    """A case of the Riemannian optimiser on top of one of PyTorch's."""
    return run(lambda model: create_riemannian_optimizer(model, getattr(torch.optim, name), **settings), config, False)


def case(kind, config, settings, **more):
    make = lora_fa(config, **settings) if kind == "loraFa" else riemannian(more["optimizer"], config, **settings)
    return {"kind": kind, "config": config, "settings": settings} | more | make


CASES = [
    case("loraFa", LORA, {"lr": 0.01}),
    case("loraFa", RANKS, {"lr": 0.1, "weight_decay": 0.3}),
    case("riemannian", LORA, {"lr": 0.01}, optimizer="AdamW"),
    case("riemannian", RANKS, {"lr": 0.05, "reg": 0.5, "momentum": 0.5}, optimizer="SGD"),
    case("riemannian", LORA | {"target_modules": ["embed", "up"]}, {"lr": 0.1, "reg": 1e-3}, optimizer="SGD"),
]
print(json.dumps({"versions": {m.__name__: m.__version__ for m in (torch, peft)}, "cases": CASES}))
