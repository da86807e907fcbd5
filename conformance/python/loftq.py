"""Writes what PEFT's loftq_init makes of weights: python loftq.py > packages/peft/src/methods/lora/loftq.gen.json"""

import base64
import json

import bitsandbytes
import peft
import torch
from peft.utils import loftq_utils

# The function computes on "cuda"; here it is led to a CPU. bitsandbytes dequantises rows of these
# widths rightly there.
to_device = torch.Tensor.to


def to(self, *args, **kwargs):
    kwargs = {key: "cpu" if value == "cuda" else value for key, value in kwargs.items()}
    return to_device(self, *("cpu" if arg == "cuda" else arg for arg in args), **kwargs)


params_to = bitsandbytes.nn.Params4bit.to
bitsandbytes.nn.Params4bit.to = lambda self, device: params_to(self, "cpu")
torch.Tensor.to = to


def encode(t):
    return base64.b64encode(t.detach().float().contiguous().numpy().tobytes()).decode()


int8_to = bitsandbytes.nn.Int8Params.to
bitsandbytes.nn.Int8Params.to = lambda self, device: int8_to(self, "cpu")


def case(shape, rank, iterations, bits=4):
    torch.manual_seed(11)
    weight = torch.randn(shape) * 0.1
    q, a, b = loftq_utils.loftq_init(weight, num_bits=bits, reduced_rank=rank, num_iter=iterations)
    return {
        "shape": list(shape), "rank": rank, "loftqIter": iterations, "loftqBits": bits,
        "weight": encode(weight), "q": encode(q), "product": encode(b @ a),
    }


cases = [case((16, 64), 4, 1), case((12, 64), 3, 5), case((8, 128), 8, 2)]
cases += [case((16, 64), 4, 1, 8), case((12, 20), 3, 5, 8), case((8, 128), 8, 2, 8)]
versions = {m.__name__: m.__version__ for m in (torch, peft, bitsandbytes)}
print(json.dumps({"versions": versions, "cases": cases}, indent=1))
