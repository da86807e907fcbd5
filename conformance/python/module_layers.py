"""Writes what PEFT gives on convolutions and attention:

    python module_layers.py > packages/peft/src/methods/moduleLayers.gen.json

The file has shapes and answers only, since module_nets.py computes the values of all tensors."""

import json
import os
import tempfile
import warnings

import torch
from module_nets import adapted, answers, inputs_of, merged_answers

warnings.simplefilter("ignore")
torch.set_num_threads(1)


def conv2d(name, inputs, outputs, size, **options):
    kind = {"kind": "convolution2d", "name": name, "in_channels": inputs, "out_channels": outputs}
    return {**kind, "kernel_size": size, **options}


def conv1d(name, inputs, outputs, size, **options):
    return {**conv2d(name, inputs, outputs, size, **options), "kind": "convolution1d"}


PLAIN = [
    conv2d("a", 3, 4, [3, 2], stride=[2, 1], padding=[1, 0]),
    conv2d("b", 4, 6, 1, bias=False),
    conv1d("c", 6, 5, 3, stride=2, padding=1),
    conv1d("d", 5, 4, 1),
]
GROUPED = [
    conv2d("a", 4, 6, 3, padding=1, groups=2),
    conv2d("b", 6, 6, [1, 2], stride=2, groups=3, bias=False),
    conv1d("c", 6, 4, 2, groups=2),
]
LORA = [
    (PLAIN, {"r": 3, "lora_alpha": 5}),
    (PLAIN, {"r": 2, "use_dora": True, "rank_pattern": {"c": 4}}),
    (PLAIN, {"r": 2, "lora_bias": True, "use_rslora": True, "target_modules": ["a", "c", "d"]}),
    (PLAIN, {"r": 9, "lora_alpha": 4, "target_modules": ["b", "d"]}),
    (GROUPED, {"r": 6, "lora_alpha": 4}),
]
DILATED = [
    conv2d("a", 4, 6, [3, 2], dilation=[1, 2], padding=1, groups=2),
    conv2d("b", 6, 4, 1),
    conv1d("c", 4, 6, 3, dilation=2, padding=1, groups=2, bias=False),
    conv1d("d", 6, 8, 1),
]
LOHA = [{"r": 2, "alpha": 5}, {"r": 3, "use_effective_conv2d": True, "rank_pattern": {"c": 2}, "alpha_pattern": {"a": 3}}]
LOKR = [
    {"r": 2, "alpha": 5},
    {"r": 1, "use_effective_conv2d": True, "decompose_both": True},
    {"r": 1, "alpha": 3, "decompose_factor": 2},
]
SQUARE = [
    conv2d("a", 4, 6, 3, padding=1, stride=2),
    conv2d("b", 6, 4, 1, bias=False),
    {"kind": "linear", "name": "e", "in_features": 4, "out_features": 5},
]
SMALL = [conv2d("a", 4, 6, 1, stride=2), conv2d("b", 6, 4, [1, 1], padding=1, bias=False)]
WINDOWS = [conv2d("a", 4, 6, 2, groups=2, dilation=[1, 2], padding=1), conv2d("b", 6, 4, 1)]
IA3 = [
    (GROUPED[:2], {"feedforward_modules": []}),
    (GROUPED[:2], {"feedforward_modules": ["a", "b"]}),
    (SQUARE, {"feedforward_modules": ["b"], "init_ia3_weights": False}),
]
HIRA = [{"r": 3}, {"r": 9, "hira_dropout": 0.2, "init_weights": "gaussian"}]
HRA = [{"r": 4}, {"r": 3, "apply_GS": True, "init_weights": False}]
OFT = [
    (SMALL, {"oft_block_size": 2}),
    (SMALL, {"oft_block_size": 0, "r": 2, "use_cayley_neumann": False, "block_share": True}),
    (SQUARE, {"oft_block_size": 4, "coft": True, "eps": 0.5}),
    (WINDOWS, {"oft_block_size": 3, "use_cayley_neumann": False}),
]
BOFT = [{"boft_block_size": 2}, {"boft_block_size": 0, "boft_block_num": 2, "boft_dropout": 0.1}]
ATTENTION = [
    {"kind": "linear", "name": "a", "in_features": 5, "out_features": 6},
    {"kind": "attention", "name": "b", "embed_dim": 6, "num_heads": 2},
    {"kind": "attention", "name": "c", "embed_dim": 6, "num_heads": 3, "bias": False, "batch_first": True, "add_bias_kv": True},
]
ON_ATTENTION = [
    {"r": 2, "lora_alpha": 3, "rank_pattern": {"c": 3}, "alpha_pattern": {"c": 1}},
    {"r": 4, "use_rslora": True, "bias": "lora_only", "target_modules": ["b"]},
    {"r": 2, "bias": "all", "target_modules": ["b"]},
]
CASES = [
    *[(ATTENTION, {"peft_type": "LORA", **options}) for options in ON_ATTENTION],
    *[(layers, {"peft_type": "LORA", **options}) for layers, options in LORA],
    *[(DILATED, {"peft_type": "LOHA", **options}) for options in LOHA],
    *[(DILATED, {"peft_type": "LOKR", **options}) for options in LOKR],
    *[(layers, {"peft_type": "IA3", **options}) for layers, options in IA3],
    *[(PLAIN, {"peft_type": "HIRA", **options}) for options in HIRA],
    *[(SQUARE, {"peft_type": "HRA", **options}) for options in HRA],
    *[(layers, {"peft_type": "OFT", **options}) for layers, options in OFT],
    *[(SQUARE, {"peft_type": "BOFT", **options}) for options in BOFT],
]


def short(t):
    return [float(f"{x:.7g}") for x in t.detach().flatten().tolist()]


def case(layers, options):
    config = {"target_modules": [layer["name"] for layer in layers], **options}
    first = layers[0]
    shape = [3, 2, first["in_features"]] if first["kind"] == "linear" else [2, first["in_channels"], 6, 5]
    model, filled = adapted(layers, config)
    x = inputs_of(shape)
    found = answers(model, x)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        with open(os.path.join(folder, "adapter_config.json")) as file:
            written = json.load(file)
        merged = merged_answers(layers, folder, x).get("merged_logits")
        merges = merged is not None and torch.allclose(merged, found["logits"], rtol=1e-3, atol=1e-4)
    return {
        "name": f"{options.pop('peft_type')} {json.dumps(options)}",
        "layers": layers,
        "shape": shape,
        "config": written,
        "shapes": {key: list(value.shape) for key, value in filled.items()},
        "trainable": model.get_nb_trainable_parameters()[0],
        "merges": merges,
        "answers": {name: short(value) for name, value in found.items()},
    }


print(json.dumps([case(layers, dict(options)) for layers, options in CASES], separators=(",", ":")))
