"""Writes PyTorch's multi-head attention, outputs, weights and gradients:
python multihead_attention.py > packages/nn/src/layers/attention/multiheadAttention.gen.json"""

import json

import torch

torch.manual_seed(1)


def numbers(t):
    return {"shape": list(t.shape), "values": [float(f"{x:.7g}") for x in t.detach().flatten().tolist()]}


def mask_numbers(t):
    return {"bool": t.dtype == torch.bool, **numbers(t.float())}


def inputs_of(n, length, keys, sizes, batch_first):
    shapes = [(length, sizes[0]), (keys, sizes[1]), (keys, sizes[2])]
    if n is None:
        return [torch.randn(*shape) for shape in shapes]
    return [torch.randn(n, *shape) if batch_first else torch.randn(shape[0], n, shape[1]) for shape in shapes]


def run(name, embed, heads, n=2, length=3, keys=4, itself=False, masks={}, call={}, **options):
    layer = torch.nn.MultiheadAttention(embed, heads, **options).train()
    for p in layer.parameters():
        torch.nn.init.normal_(p, std=0.5)
    sizes = embed, options.get("kdim", embed), options.get("vdim", embed)
    inputs = inputs_of(n, length, length if itself else keys, sizes, options.get("batch_first", False))
    inputs = [x.requires_grad_() for x in (inputs[:1] if itself else inputs)]
    query, key, value = inputs * 3 if itself else inputs
    out, weights = layer(query, key, value, **masks, **call)
    dout = torch.randn(out.shape)
    parameters = dict(layer.named_parameters())
    grads = torch.autograd.grad(out, [*inputs, *parameters.values()], dout)
    return {"name": name, "args": [embed, heads], "options": options, "call": call,
            "state": {key: numbers(p) for key, p in parameters.items()},
            "inputs": [numbers(x) for x in inputs], "masks": {key: mask_numbers(m) for key, m in masks.items()},
            "dout": numbers(dout), "out": numbers(out), "weights": None if weights is None else numbers(weights),
            "grads": [numbers(g) for g in grads]}


CAUSAL = torch.triu(torch.ones(3, 3, dtype=torch.bool), 1)
PADDING = torch.tensor([[False, False, True, True], [False, True, False, False]])
EACH = torch.rand(4, 3, 4) > 0.7
EACH[:, :, 0] = False
EXTRA = {"add_bias_kv": True, "add_zero_attn": True}

print(json.dumps([
    run("self-attention", 4, 2, itself=True),
    run("batch first", 6, 3, batch_first=True),
    run("without a bias, weights of each head", 4, 2, bias=False, call={"average_attn_weights": False}),
    run("without weights", 4, 2, call={"need_weights": False}),
    run("other sizes of keys and values", 4, 2, kdim=3, vdim=5),
    run("other size of values, additional keys", 4, 1, vdim=3, batch_first=True, **EXTRA),
    run("additional keys, without weights", 4, 2, call={"need_weights": False}, masks={"key_padding_mask": PADDING}, **EXTRA),
    run("padding", 4, 2, masks={"key_padding_mask": PADDING}),
    run("padding in f32", 4, 2, masks={"key_padding_mask": -2 * PADDING.float()}, call={"need_weights": False}),
    run("a causal mask", 4, 2, itself=True, masks={"attn_mask": CAUSAL}),
    run("a causal mask, without weights", 4, 2, itself=True, masks={"attn_mask": CAUSAL}, call={"need_weights": False}),
    run("causal attention", 4, 2, itself=True, masks={"attn_mask": CAUSAL}, call={"need_weights": False, "is_causal": True}),
    run("causal attention with weights", 4, 2, itself=True, masks={"attn_mask": CAUSAL}, call={"is_causal": True}),
    run("masks of each head and padding", 4, 2, masks={"attn_mask": EACH, "key_padding_mask": PADDING & (torch.arange(4) > 1)},
        call={"need_weights": False}),
    run("a mask in f32", 4, 2, masks={"attn_mask": torch.randn(3, 4)}),
    run("a mask in f32 and padding, additional keys", 4, 2, masks={"attn_mask": torch.randn(4, 3, 4),
        "key_padding_mask": torch.where(PADDING, float("-inf"), 0.0)}, add_zero_attn=True),
    run("without a batch", 4, 2, n=None, masks={"attn_mask": CAUSAL[:, [0, 1, 2, 2]]}),
    run("without a batch, weights of each head", 4, 2, n=None, batch_first=True, masks={"key_padding_mask": PADDING[0]},
        call={"average_attn_weights": False}),
], separators=(",", ":"), allow_nan=True).replace("-Infinity", "null"))
