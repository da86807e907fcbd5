"""Writes what PEFT's Arrow router gives for several LoRA adapters:

    python arrow_routing.py > packages/peft/src/methods/lora/variants/arrow.gen.json

Value i of the k-th tensor is 0.4 sin(0.37 i² + 1.7 i + k + 1)."""

import json
import os
import sys
import tempfile
import warnings

import torch
from peft import ArrowConfig, LoraConfig, create_arrow_model, get_peft_model, get_peft_model_state_dict
from peft import set_peft_model_state_dict

warnings.simplefilter("ignore")
torch.set_num_threads(1)


def wave(shape, k, scale=0.4):
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (scale * torch.sin(0.37 * i * i + 1.7 * i + k + 1)).float().reshape(shape)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Linear(20, 8)
        self.b = torch.nn.Linear(8, 6, bias=False)
        self.config = {"model_type": "custom", "tie_word_embeddings": False}
        with torch.no_grad():
            for k, parameter in enumerate(self.parameters()):
                parameter.copy_(wave(parameter.shape, 10 + k, 0.9))

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)))


def save(folder, number, alpha):
    """Saves an adapter, whose first tensor has the number 100 * number."""
    model = get_peft_model(Net(), LoraConfig(r=3, lora_alpha=alpha, target_modules=["a", "b"]))
    state = get_peft_model_state_dict(model)
    keys = sorted(state)
    set_peft_model_state_dict(model, {key: wave(state[key].shape, 100 * number + k) for k, key in enumerate(keys)})
    path = f"{folder}/{number}"
    model.save_pretrained(path)
    return path


CASES = [
    {"top_k": 2, "rng_seed": 5},
    {"top_k": 1, "router_temperature": 0.3, "rng_seed": 7},
    {"top_k": 3, "router_temperature": 2.5, "rng_seed": 1},
    {"top_k": 2, "use_gks": True, "rng_seed": 3},
]
ALPHAS = {1: 5, 2: 3, 3: 8, 4: 3, 5: 4, 6: 6}


def short(t):
    return [float(f"{x:.8g}") for x in t.detach().flatten().tolist()]


def run(model, seed):
    x = wave([2, 4, 20], 20 + seed, 1.3).requires_grad_()
    y = model(x)
    (y * wave([2, 4, 6], 30, 1)).sum().backward()
    return {"outputs": short(y), "x": short(x.grad)}


def answers(options, folder):
    paths = {number: save(folder, number, alpha) for number, alpha in ALPHAS.items()}
    given = [paths[1], paths[2], paths[3]]
    general = [paths[4], paths[5]] if options.get("use_gks") else None
    model = create_arrow_model(Net(), given, ArrowConfig(**options), general)
    model.eval()
    found = {"options": options, "passes": [run(model, 0), run(model, 1)]}
    layer = model.base_model.model.a
    found["prototypes"] = short(layer.lora_arrow["arrow_router"].prototypes)
    found["names"] = list(model.peft_config)
    found["trainable"] = sum(p.numel() for p in model.parameters() if p.requires_grad)
    found["targets"] = sorted(model.peft_config["arrow_router"].target_modules)
    # A further adapter becomes an expert too.
    model.load_adapter(paths[6], "more")
    found["more"] = run(model, 0)
    model.set_adapter("task_1")
    found["task_1"] = run(model, 0)
    router = f"{folder}/router"
    model.save_pretrained(router, selected_adapters=["arrow_router"])
    inner = f"{router}/arrow_router"
    found["config"] = json.load(open(f"{inner}/adapter_config.json"))
    try:
        model.load_adapter(inner, "again")
    except Exception as error:
        print("reading the router's file:", type(error).__name__, error, file=sys.stderr)
    return found


with tempfile.TemporaryDirectory() as parent:
    results = []
    for number, options in enumerate(CASES):
        folder = f"{parent}/{number}"
        os.makedirs(folder)
        results.append(answers(options, folder))
print(json.dumps(results, separators=(",", ":")))
