"""Writes what PyTorch's optimisers make of parameters: python optimizers.py > packages/nn/src/optim/optimizers.gen.json"""

import json
import sys

import torch

STEPS = 4
START = [0.5, -1.25, 2.0, 0.0]
CASES = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.5, "dampening": 0.25, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.2, "momentum": 0.8, "nesterov": True, "weight_decay": 0.05}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.5, 0.75), "eps": 1e-3, "weight_decay": 0.2}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "betas": (0.0, 0.5), "eps": 1e-2, "weight_decay": 0.3}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.5, "lr_decay": 0.25, "weight_decay": 0.1, "eps": 1e-3}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.5, "eps": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.75, "eps": 1e-3, "momentum": 0.5}),
]
NAMES = {
    "weight_decay": "weightDecay",
    "lr_decay": "lrDecay",
    "beta2_decay": "beta2Decay",
    "ns_coefficients": "nsCoefficients",
    "ns_steps": "nsSteps",
    "adjust_lr_fn": "adjustLrFn",
}
MATRIX_CASES = [
    ("Muon", [3, 5], {}),
    ("Muon", [5, 3], {"lr": 0.1, "momentum": 0.5, "nesterov": False, "weight_decay": 0.3}),
    ("Muon", [4, 4], {"lr": 0.1, "ns_coefficients": (2.0, -1.5, 0.5), "ns_steps": 2, "eps": 1e-3}),
    ("Muon", [6, 2], {"lr": 0.1, "adjust_lr_fn": "match_rms_adamw", "weight_decay": 0.0}),
    ("Muon", [2, 6], {"lr": 0.1, "adjust_lr_fn": "spectral_unclamped"}),
    ("Adafactor", [3, 5], {}),
    ("Adafactor", [7], {}),
    ("Adafactor", [2, 3, 4], {"lr": 2.0, "beta2_decay": -0.4, "eps": (1e-2, 0.5), "d": 2.0, "weight_decay": 0.1}),
    ("Adafactor", [5, 3], {"lr": 0.3, "weight_decay": 0.2, "eps": (None, 0.1)}),
]


def run(name, start, grads, settings):
    """Returns the parameter after each step."""
    param = start.clone().requires_grad_()
    optimizer = getattr(torch.optim, name)([param], **settings)
    values = []
    for grad in grads:
        param.grad = grad.clone()
        optimizer.step()
        values.append(param.detach().flatten().tolist())
    return values


def matrices():
    """Cases of optimisers that treat matrices differently. `values` are Muon's in f32, `rounded` its own in bfloat16."""
    torch.manual_seed(0)
    out = []
    for name, shape, settings in MATRIX_CASES:
        start, grads = torch.randn(shape), torch.randn(STEPS, *shape)
        case = {"name": name, "shape": shape, "settings": {NAMES.get(k, k): v for k, v in settings.items()}}
        case |= {"start": start.flatten().tolist(), "grads": grads.flatten(1).tolist()}
        bfloat16 = torch.bfloat16
        torch.bfloat16 = torch.float32
        try:
            case["values"] = run(name, start, grads, settings)
        finally:
            torch.bfloat16 = bfloat16
        if name == "Muon":
            case["rounded"] = run(name, start, grads, settings)
        out.append(case)
    return out


def main():
    grads = torch.tensor([[1.0, -0.5, 0.25, 0.0], [0.5, 0.75, -2.0, 1.0], [-3.0, 0.1, 0.2, 0.3], [1.5, 1.5, -0.5, 0.0]])
    out = []
    for name, settings in CASES:
        param = torch.tensor(START, requires_grad=True)
        optimizer = getattr(torch.optim, name)([param], **settings)
        values = []
        for step in range(STEPS):
            param.grad = grads[step].clone()
            optimizer.step()
            values.append(param.tolist())
        out.append({"name": name, "settings": {NAMES.get(k, k): v for k, v in settings.items()}, "values": values})
    json.dump({"start": START, "grads": grads.tolist(), "cases": out, "matrices": matrices()}, sys.stdout)


if __name__ == "__main__":
    main()
