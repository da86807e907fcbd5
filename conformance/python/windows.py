"""Writes PyTorch's convolutions and poolings, with their gradients and gradients of gradients:
python windows.py > packages/core/src/functional/windows.gen.json"""

import json
import random

import torch
import torch.nn.functional as F

CASES = 8
random.seed(1)
torch.manual_seed(1)
pick = random.choice


def numbers(t):
    return {"shape": list(t.shape), "values": [float(f"{v:.9g}") for v in t.detach().flatten().tolist()]}


def sizes(dims, least, most):
    return [random.randint(least, most) for _ in range(dims)]


def conv(dims):
    groups = pick([1, 1, 2, 3])
    depth, filters = random.randint(1, 2), groups * random.randint(1, 2)
    shape = [pick([1, 2]), groups * depth, *sizes(dims, 5, 7)]
    if pick([True, False, False]):
        shape = shape[1:]
    kernel = sizes(dims, 1, 3)
    options = {"stride": sizes(dims, 1, 3), "padding": sizes(dims, 0, 2), "dilation": sizes(dims, 1, 2), "groups": groups}
    inputs = [torch.randn(shape), torch.randn(filters, depth, *kernel)]
    if pick([True, False]):
        inputs.append(torch.randn(filters))
    f = F.conv1d if dims == 1 else F.conv2d
    return f"conv{dims}d", options, inputs, lambda *t: f(*t, **options)


def pool(kind, dims):
    kernel = sizes(dims, 2, 4)
    options = {"kernelSize": kernel, "stride": sizes(dims, 1, 3), "padding": [random.randint(0, k // 2) for k in kernel],
               "ceilMode": pick([True, False])}
    shape = [*sizes(pick([1, 2]), 1, 2), *sizes(dims, 5, 7)]
    x = torch.randn(shape)
    # Windows whose elements tie.
    ties = pick([True, False])
    if ties:
        x = torch.round(x)
    arguments = [kernel, options["stride"], options["padding"]]
    f = getattr(F, f"{kind}_pool{dims}d")
    if kind == "max":
        run = lambda t: f(t, *arguments, ceil_mode=options["ceilMode"])
    else:
        options["countIncludePad"] = pick([True, False])
        run = lambda t: f(t, *arguments, options["ceilMode"], options["countIncludePad"])
    return f"{kind}Pool{dims}d", options, [x], run


def described(name, options, inputs, run):
    for t in inputs:
        t.requires_grad_()
    out = run(*inputs)
    dout = torch.randn_like(out).requires_grad_()
    grads = torch.autograd.grad(out, inputs, dout, create_graph=True)
    # The gradient of the gradients' sum of squares, with respect to the output's gradient.
    (second,) = torch.autograd.grad(sum((g * g).sum() for g in grads), dout)
    return {"name": name, "options": options, "inputs": [numbers(t) for t in inputs], "out": numbers(out),
            "dout": numbers(dout), "grads": [numbers(g) for g in grads], "second": numbers(second)}


makers = [lambda: conv(1), lambda: conv(2)]
makers += [lambda kind=kind, dims=dims: pool(kind, dims) for kind in ("max", "avg") for dims in (1, 2)]
print(json.dumps([described(*make()) for make in makers for _ in range(CASES)]))
