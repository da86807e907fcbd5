"""Writes what bitsandbytes' Lion does on a CPU: python lion.py > packages/nn/src/optim/lion.gen.json"""

import json

import bitsandbytes
import torch


def plain_step(p, grad, average, lr, betas, weight_decay):
    """A step as the paper's listing has it, to which bitsandbytes is held."""
    beta1, beta2 = betas
    p.mul_(1 - lr * weight_decay).add_(torch.sign(beta1 * average + (1 - beta1) * grad), alpha=-lr)
    average.mul_(beta2).add_(grad, alpha=1 - beta2)


def case(steps=6, **settings):
    """Steps from random numbers, with gradients that change their signs; the first is always 0."""
    torch.manual_seed(3)
    options = {"lr": 1e-4, "betas": (0.9, 0.99), "weight_decay": 0.0} | settings
    p = torch.nn.Parameter(torch.randn(24))
    plain, average = p.detach().clone(), torch.zeros(24)
    optimizer = bitsandbytes.optim.Lion([p], **options)
    start, taken = p.tolist(), []
    for _ in range(steps):
        p.grad = torch.randn(24) * torch.logspace(-4, 1, 24)
        p.grad[0] = 0
        optimizer.step()
        plain_step(plain, p.grad, average, **options)
        torch.testing.assert_close(plain, p.detach(), rtol=0, atol=1e-6)
        taken.append({"grad": p.grad.tolist(), "param": p.tolist()})
    named = {"lr": options["lr"], "betas": list(options["betas"]), "weightDecay": options["weight_decay"]}
    return {"options": named, "start": start, "steps": taken}


cases = [case(), case(lr=0.05, weight_decay=0.2), case(lr=0.01, betas=(0.5, 0.8), weight_decay=0.1)]
versions = {m.__name__: m.__version__ for m in (torch, bitsandbytes)}
print(json.dumps({"versions": versions, "cases": cases}))
