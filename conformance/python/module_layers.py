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
CASES = [
    *[(layers, {"peft_type": "LORA", **options}) for layers, options in LORA],
    *[(DILATED, {"peft_type": "LOHA", **options}) for options in LOHA],
    *[(DILATED, {"peft_type": "LOKR", **options}) for options in LOKR],
]


def short(t):
    return [float(f"{x:.7g}") for x in t.detach().flatten().tolist()]


def case(layers, options):
    config = {"target_modules": [layer["name"] for layer in layers], **options}
    shape = [2, layers[0]["in_channels"], 6, 5]
    model, filled = adapted(layers, config)
    x = inputs_of(shape)
    found = answers(model, x)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        with open(os.path.join(folder, "adapter_config.json")) as file:
            written = json.load(file)
        merges = len(merged_answers(layers, folder, x)) > 0
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
