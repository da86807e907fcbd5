"""Writes PyTorch's batch normalisation, two steps of training and one evaluation:
python batch_norm.py > packages/nn/src/layers/norms/batchNorm.gen.json"""

import json

import torch

torch.manual_seed(1)


def numbers(t):
    return {"shape": list(t.shape), "values": t.detach().flatten().tolist()}


def run(layer, *shape):
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    state = {name: numbers(t) for name, t in layer.named_parameters()}
    steps = []
    for train in (True, True, False):
        x = (torch.randn(*shape) * 3 + 1).requires_grad_()
        dout = torch.randn(*shape)
        out = layer.train(train)(x)
        dx, dweight, dbias = torch.autograd.grad(out, (x, layer.weight, layer.bias), dout)
        steps.append({"train": train, "x": numbers(x), "dout": numbers(dout), "out": numbers(out), "dx": numbers(dx),
                      "dweight": numbers(dweight), "dbias": numbers(dbias)})
    after = {name: numbers(t) for name, t in layer.state_dict().items()}
    return {"name": type(layer).__name__, "state": state, "steps": steps, "after": after}


print(json.dumps([
    run(torch.nn.BatchNorm1d(3, momentum=0.3), 4, 3),
    run(torch.nn.BatchNorm1d(3, momentum=0.3), 2, 3, 4),
    run(torch.nn.BatchNorm2d(2, momentum=0.3), 2, 2, 3, 2),
], indent=1))
