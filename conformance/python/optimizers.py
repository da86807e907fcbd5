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
NAMES = {"weight_decay": "weightDecay", "lr_decay": "lrDecay"}


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
    json.dump({"start": START, "grads": grads.tolist(), "cases": out}, sys.stdout)


if __name__ == "__main__":
    main()
