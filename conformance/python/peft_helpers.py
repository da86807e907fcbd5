"""Writes what PEFT's helpers do: python peft_helpers.py > packages/peft/src/helpers/helpers.gen.json"""

import copy
import json

import peft
import torch
from peft import LoraConfig, get_layer_status, get_model_status, get_peft_model
from peft.helpers import KappaTuneSelector, find_kappa_target_modules
from peft.tuners.lora.intruders import reduce_intruder_dimension


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up = torch.nn.Linear(12, 18)
        self.down = torch.nn.Linear(18, 9)
        self.out = torch.nn.Linear(9, 6)
        self.head = torch.nn.Linear(6, 2)


def values(t):
    return t.detach().flatten().tolist()


def kappa():
    torch.manual_seed(0)
    model = Tiny()
    with torch.no_grad():
        for i, p in enumerate(p for p in model.parameters() if p.ndim == 2):
            torch.nn.init.normal_(p, std=0.1 * (i + 1))
            p[:, 0] *= 3
    selector = KappaTuneSelector(model, show_progress=False)
    selector._compute_kappas()
    search = {p: find_kappa_target_modules(model, top_p=p, show_progress=False)["target_modules"] for p in (0.2, 0.5, 1.0)}
    limited = find_kappa_target_modules(model, top_p=1.0, max_dim_size_to_analyze=12, show_progress=False)
    weights = {name: values(p) for name, p in model.named_parameters() if p.ndim == 2}
    return {"weights": weights, "kappas": selector._condition_numbers, "found": search, "limited": limited["target_modules"]}


def intruders(seed, size, ranks, **options):
    """Changes of layers before and after. Factors have free signs, so that their products are compared."""
    torch.manual_seed(seed)
    config = LoraConfig(r=3, lora_alpha=6, target_modules=["up", "down", "out"], rank_pattern=ranks)
    model = get_peft_model(Tiny(), config)
    layers = {name: m for name, m in model.base_model.model.named_modules() if isinstance(m, peft.tuners.lora.LoraLayer)}
    given = {}
    for name, layer in layers.items():
        a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        torch.nn.init.normal_(a, std=size)
        torch.nn.init.normal_(b, std=size)
        given[name] = {"weight": values(layer.get_base_layer().weight), "a": values(a), "b": values(b)}
    lines = []
    reduce_intruder_dimension(model, logging_sink=lines.append, **options)
    counts = {line.split(":")[0]: 0 if line.endswith("No intruders") else int(line.split()[-1]) for line in lines[:-1]}
    after = {name: values(layer.get_delta_weight("intruder_reduced")) for name, layer in layers.items()}
    prefix = "base_model.model."
    return {"options": options, "ranks": ranks, "given": given, "after": after, "counts": {k.removeprefix(prefix): v for k, v in counts.items()}}


def status():
    torch.manual_seed(0)
    model = get_peft_model(Tiny(), LoraConfig(r=2, target_modules=["up", "down"], modules_to_save=["head"]))
    model.add_adapter("other", LoraConfig(r=2, target_modules=["down"]))
    keep = ("name", "enabled", "active_adapters", "merged_adapters", "available_adapters", "requires_grad")

    def read():
        layers = [{key: copy.copy(getattr(layer, key)) for key in keep} for layer in get_layer_status(model)]
        whole = get_model_status(model)
        own = ("peft_types", "trainable_params", "num_adapter_layers") + keep[1:]
        return {"layers": layers, "model": {key: getattr(whole, key) for key in own}}

    found = {"start": read()}
    model.base_model.set_requires_grad("other", True)
    found["both"] = read()
    model.set_adapter("other")
    model.merge_adapter()
    found["merged"] = read()
    return found


cases = [
    intruders(0, 0.8, {}),
    intruders(1, 0.8, {"down": 5}, top_k=2, threshold_epsilon=0.9, mitigation_lambda=0.1),
    intruders(2, 0.05, {}, threshold_epsilon=0.6),
]
out = {"versions": {m.__name__: m.__version__ for m in (torch, peft)}, "kappa": kappa(), "intruders": cases, "status": status()}
print(json.dumps(out))
