"""Writes PyTorch's attention with dropout, with a given mask and over many draws:
python attention_dropout.py > packages/core/src/ops/attention/attentionDropout.gen.json"""

import json

import torch
import torch.nn.functional as F

P, DRAWS = 0.3, 20000
# 0 where a weight is dropped: Lowrank's generator of seed 5 gives a uniform number below P.
KEEP = torch.tensor([int(c) for c in "101110101100110110111100"], dtype=torch.bool).reshape(1, 2, 3, 4)

torch.manual_seed(1)
q, k, v, dout = torch.randn(1, 2, 3, 2), torch.randn(1, 1, 4, 2), torch.randn(1, 1, 4, 2), torch.randn(1, 2, 3, 2)
for t in (q, k, v):
    t.requires_grad_()


def numbers(t):
    return {"shape": list(t.shape), "values": t.detach().flatten().tolist()}


def attend(mask):
    keys, values = k.expand(1, 2, 4, 2), v.expand(1, 2, 4, 2)
    return torch.ops.aten._scaled_dot_product_attention_math(q, keys, values, None, P, False, mask)[0]


out = attend(KEEP)
grads = torch.autograd.grad(out, (q, k, v), dout)
with torch.no_grad():
    rows = lambda t: t.expand(1, 2, -1, 2).expand(DRAWS, 2, -1, 2)
    draws = F.scaled_dot_product_attention(rows(q), rows(k), rows(v), dropout_p=P)
print(json.dumps({
    "p": P, "draws": DRAWS, "keep": numbers(KEEP.int()),
    "q": numbers(q), "k": numbers(k), "v": numbers(v), "dout": numbers(dout),
    "out": numbers(out), "dq": numbers(grads[0]), "dk": numbers(grads[1]), "dv": numbers(grads[2]),
    "mean": numbers(draws.mean(0)), "variance": numbers(draws.var(0)),
}, indent=1))
