"""Writes what PEFT's LoRA-GA and CorDA measure, and the adapters and weights that they start with:

    python measured_starts.py > packages/peft/src/methods/lora/measured/measuredStarts.gen.json

Value i of the k-th tensor is a multiple of sin(0.37 i² + 1.7 i + k + 1). The ranks are so small that PEFT's randomised
SVD of a gradient keeps all singular values and is exact."""

import dataclasses
import json
import sys
import tempfile
import types
import warnings

import torch
from peft import LoraConfig, LoraGAConfig, PeftModel, get_peft_model, preprocess_loraga
from peft.tuners.lora.config import CordaConfig

# PEFT's CorDA imports this decorator from the package attrs, which is not among PEFT's requirements.
sys.modules.setdefault("attr", types.SimpleNamespace(dataclass=dataclasses.dataclass))

from peft.tuners.lora.corda import preprocess_corda  # noqa: E402
from transformers.pytorch_utils import Conv1D

warnings.simplefilter("ignore")
torch.set_num_threads(1)


def wave(shape, k, scale=0.4):
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (scale * torch.sin(0.37 * i * i + 1.7 * i + k + 1)).float().reshape(shape)


class Net(torch.nn.Module):
    """The Conv1D runs twice in each pass, and the layer `idle` never."""

    def __init__(self, dtype):
        super().__init__()
        self.a = torch.nn.Linear(12, 8)
        self.b = torch.nn.Linear(8, 6, bias=False)
        self.c = Conv1D(6, 6)
        self.idle = torch.nn.Linear(6, 6)
        self.config = {"model_type": "custom", "tie_word_embeddings": False}
        with torch.no_grad():
            for k, parameter in enumerate(self.parameters()):
                parameter.copy_(wave(parameter.shape, 10 + k, 0.9))
            for layer in (self.a, self.b, self.c, self.idle):
                # A dominant singular value, which PEFT's randomised SVD of a weight finds accurately.
                layer.weight[0] += 2
        self.to(dtype)

    def forward(self, x):
        y = self.b(torch.tanh(self.a(x)))
        return self.c(torch.tanh(self.c(y)))


def inputs(step, dtype):
    return wave([1, 9, 12], 20 + step, 1.3).to(dtype)


MODULES = ["a", "b", "c", "idle"]
GRADIENT_CASES = [
    *[{"lora_ga_config": {"direction": d}} for d in ("ArBr", "A2rBr", "ArB2r")],
    *[{"lora_ga_config": {"scale": s}, "lora_alpha": 5} for s in ("weight_svd", "gd_scale", "unit")],
    {"lora_ga_config": {"stable_gamma": 3}, "rank_pattern": {"b": 3}, "use_rslora": True},
    {"lora_ga_config": {"direction": "A2rBr"}, "use_dora": True},
    {"lora_ga_config": {}, "dtype": "bfloat16"},
]
COVARIANCE_CASES = [
    *[{"corda_config": {"corda_method": m}, "lora_alpha": 5} for m in ("ipm", "kpm")],
    {"corda_config": {}, "rank_pattern": {"b": 6}, "use_rslora": True},
    {"corda_config": {"corda_method": "kpm"}, "use_dora": True},
]


def short(t):
    return [float(f"{x:.8g}") for x in t.detach().float().flatten().tolist()]


def started(options):
    """What was measured, the adapter, the changed weights and the outputs."""
    torch.manual_seed(0)
    options = dict(options)
    dtype = getattr(torch, options.pop("dtype", "float32"))
    init = "corda" if "corda_config" in options else "lora_ga"
    net = Net(dtype)
    # CorDA refuses a layer that does not run.
    modules = MODULES if init == "lora_ga" else MODULES[:3]
    given = {**options}
    if init == "corda":
        given["corda_config"] = CordaConfig(**options["corda_config"], prune_temporary_fields=False)
    else:
        given["lora_ga_config"] = LoraGAConfig(**options["lora_ga_config"])
    config = LoraConfig(**{"r": 2, "target_modules": modules, "init_lora_weights": init, **given})
    layers = {name: getattr(net, name) for name in modules}

    def run():
        for step in range(2):
            y = net(inputs(step, dtype))
            if init == "lora_ga":
                (y * wave([1, 9, 6], 30 + step, 1).to(dtype)).sum().backward()

    if init == "corda":
        preprocess_corda(net, config, run)
        measured = {name: short(layer.covariance_matrix) for name, layer in layers.items()}
    else:
        preprocess_loraga(net, config, run)
        measured = {n: short(m._peft_loraga_grad) for n, m in layers.items() if hasattr(m, "_peft_loraga_grad")}
    model = get_peft_model(net, config)
    tuned = {name: getattr(model.base_model.model, name) for name in modules}
    model.eval()
    answer = {
        "name": json.dumps({"init": init, **options, "dtype": str(dtype)[6:]}),
        "measured": measured,
        "a": {name: short(m.lora_A["default"].weight) for name, m in tuned.items()},
        "b": {name: short(m.lora_B["default"].weight) for name, m in tuned.items()},
        "weights": {name: short(m.base_layer.weight) for name, m in tuned.items()},
        "outputs": short(model(inputs(5, dtype))),
    }
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        answer["config"] = json.load(open(f"{folder}/adapter_config.json"))
        answer["config"]["target_modules"] = modules
        if init == "lora_ga":
            # Loading does not measure, and leaves the weights as they are.
            answer["loaded"] = short(PeftModel.from_pretrained(Net(dtype), folder)(inputs(5, dtype)))
    return answer


print(json.dumps([started(options) for options in GRADIENT_CASES + COVARIANCE_CASES], separators=(",", ":")))
