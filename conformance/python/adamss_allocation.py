"""Writes which clusters PEFT's AdaMSS freezes in training:

    python adamss_allocation.py > packages/peft/src/methods/singular/adamssAllocation.gen.json"""

import json

import peft
import torch
from adalora import Two, encode
from base import adamss_masking  # noqa: F401
from peft import AdamssConfig, get_peft_model
from peft.tuners.adamss.asa_callback import AdamssAsaCallback
from transformers import TrainerState


def state(model):
    return {name.replace(".default", ""): encode(t) for name, t in model.state_dict().items() if "adamss_" in name}


def case(seed, options, steps):
    torch.manual_seed(seed)
    base = Two()
    weights = {name: encode(p) for name, p in base.named_parameters()}
    x, target = torch.randn(7, 6), 2 * torch.randn(7, 4)
    model = get_peft_model(base, AdamssConfig(target_modules=["first", "second"], use_asa=True, **options))
    start = state(model.base_model.model)
    layers = [model.base_model.model.first, model.base_model.model.second]
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1)
    callback, found = AdamssAsaCallback(), []
    for step in range(steps):
        loss = model.base_model(x, target).loss
        loss.backward()
        optimizer.step()
        callback.on_optimizer_step(None, TrainerState(global_step=step), None, model=model)
        optimizer.zero_grad()
        trains = [[p.requires_grad for p in layer.adamss_A["default"]] for layer in layers]
        assert trains == [[p.requires_grad for p in layer.adamss_B["default"]] for layer in layers]
        found.append({"loss": loss.item(), "trains": trains})
    end = state(model.base_model.model)
    return {
        "options": options, "weights": weights, "x": encode(x), "target": encode(target),
        "start": start, "steps": found, "end": end,
    }


CASES = [
    ({"r": 3, "num_subspaces": 4, "asa_target_subspaces": 3, "init_warmup": 1, "final_warmup": 12, "mask_interval": 3}, 16),
    (
        {"r": 2, "num_subspaces": 3, "subspace_rank": 2, "asa_target_subspaces": 1, "init_warmup": 0, "final_warmup": 9,
         "mask_interval": 2, "asa_importance_beta": 0.5, "asa_uncertainty_beta": 0.9, "asa_schedule_exponent": 1.0},
        12,
    ),
    ({"r": 3, "num_subspaces": 2, "asa_target_subspaces": 50, "init_warmup": 1, "final_warmup": 6, "mask_interval": 2}, 8),
    (
        {"r": 3, "num_subspaces": 4, "init_weights": None, "asa_target_subspaces": 2, "init_warmup": 3, "final_warmup": 8,
         "mask_interval": 1, "asa_schedule_exponent": 2.0},
        11,
    ),
]

if __name__ == "__main__":
    cases = [case(seed, *one) for seed, one in enumerate(CASES)]
    print(json.dumps({"versions": {m.__name__: m.__version__ for m in (torch, peft)}, "cases": cases}))
