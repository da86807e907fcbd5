"""Writes what bitsandbytes' AdamW8bit does on a CPU: python adamw_8bit.py > packages/nn/src/optim/adamW8bit.gen.json"""

import base64
import json

import bitsandbytes
import torch

STATE = ("state1", "state2", "absmax1", "absmax2")


def encode(t):
    return base64.b64encode(t.detach().contiguous().numpy().tobytes()).decode()


def case(shape, scales, min_8bit_size=1, **settings):
    """Steps from random numbers; gradients of every size, and rows of zeros."""
    torch.manual_seed(7)
    p = torch.nn.Parameter(torch.randn(shape))
    optimizer = bitsandbytes.optim.AdamW8bit([p], min_8bit_size=min_8bit_size, **settings)
    start = encode(p)
    steps = []
    for scale in scales:
        p.grad = torch.randn(shape) * scale * torch.logspace(-3, 0, shape[0])[:, None]
        p.grad[0] = 0
        optimizer.step()
        state = optimizer.state[p]
        held = {name: encode(state[name]) for name in STATE if name in state}
        steps.append({"grad": encode(p.grad), "param": encode(p), **held})
    options = {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": 0.01, "min8bitSize": min_8bit_size}
    options |= {{"weight_decay": "weightDecay"}.get(key, key): value for key, value in settings.items()}
    return {"shape": list(shape), "options": options, "start": start, "steps": steps}


def gradient(step, count):
    """Gradients of step `step`, exact in float32: some thousands of times smaller than others of their block."""
    at = torch.arange(count)
    return ((at * 7919 + step * 104729) % 2048 - 1024).float() * 2.0 ** -(10 + at % 12).float()


def long_run(count, steps):
    """Where many steps lead to, whose gradients a test can make itself."""
    p = torch.nn.Parameter(torch.zeros(count))
    optimizer = bitsandbytes.optim.AdamW8bit([p], lr=1e-2, min_8bit_size=1)
    for step in range(steps):
        p.grad = gradient(step, count)
        optimizer.step()
    held = {name: encode(optimizer.state[p][name]) for name in STATE}
    return {"count": count, "steps": steps, "lr": 1e-2, "param": encode(p), **held}


cases = [
    case((9, 31), [1.0, 0.1, 3.0, 1e-4]),
    case((3, 90), [1e-5, 1.0], lr=0.05, betas=[0.8, 0.95], eps=1e-6, weight_decay=0.0),
    case((3, 9), [1.0, 0.5, 2.0], min_8bit_size=4096, lr=0.02),
]
versions = {m.__name__: m.__version__ for m in (torch, bitsandbytes)}
print(json.dumps({"versions": versions, "cases": cases, "long": long_run(600, 50)}, indent=1))
