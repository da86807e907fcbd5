"""Writes how PEFT's AdaLoRA gives out ranks: python adalora.py > packages/peft/src/methods/lowRank/adaLora.gen.json"""

import base64
import json

import peft
import torch
from peft import AdaLoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict


class Two(torch.nn.Module):
    """Two layers, and a loss that asks for more of the first."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(6, 5)
        self.second = torch.nn.Linear(5, 4)

    def forward(self, x, target):
        y = self.second(torch.tanh(self.first(x)))
        return Output(loss=((y - target) ** 2).mean())


class Output(dict):
    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__


def encode(t):
    return base64.b64encode(t.detach().float().contiguous().numpy().tobytes()).decode()


def state(model):
    return {name.replace(".default", ""): encode(p) for name, p in model.named_parameters() if "lora_" in name}


def case(seed, options):
    torch.manual_seed(seed)
    base = Two()
    weights = {name: encode(p) for name, p in base.named_parameters()}
    x, target = torch.randn(7, 6), 2 * torch.randn(7, 4)
    config = AdaLoraConfig(target_modules=["first", "second"], **options)
    model = get_peft_model(base, config)
    start = state(model.base_model.model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=2.0)
    steps = []
    for step in range(options["total_step"]):
        loss = model.base_model(x, target).loss
        loss.backward()
        optimizer.step()
        model.base_model.update_and_allocate(step)
        optimizer.zero_grad()
        ranks = model.peft_config["default"].rank_pattern
        named = ranks and {name.replace(".default", ""): kept for name, kept in ranks.items()}
        steps.append({"loss": loss.item(), "rankPattern": named})
    end = state(model.base_model.model)
    shapes = {name: list(t.shape) for name, t in get_peft_model_state_dict(model).items()}
    return {
        "options": options, "weights": weights, "x": encode(x), "target": encode(target),
        "start": start, "steps": steps, "end": end, "filed": shapes,
    }


if __name__ == "__main__":
    cases = [
        case(3, {"init_r": 4, "target_r": 2, "total_step": 14, "tinit": 2, "tfinal": 4, "deltaT": 2}),
        case(5, {"init_r": 3, "target_r": 1, "total_step": 10, "tinit": 1, "tfinal": 0, "orth_reg_weight": 0.1}),
        case(8, {"init_r": 4, "target_r": 1, "total_step": 12, "tinit": 1, "tfinal": 3, "beta1": 0.5, "beta2": 0.9, "lora_alpha": 3}),
    ]
    print(json.dumps({"versions": {m.__name__: m.__version__ for m in (torch, peft)}, "cases": cases}, indent=1))
