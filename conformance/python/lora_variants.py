"""Writes what PEFT's VeLoRA, KaSA and MonteCLoRA give in training:

    python lora_variants.py > packages/peft/src/methods/lora/variants/loraVariants.gen.json

Value i of the k-th tensor is 0.4 sin(0.37 i² + 1.7 i + k + 1)."""

import json
import warnings

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

warnings.simplefilter("ignore")
torch.set_num_threads(1)


def wave(shape, k, scale=0.4):
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (scale * torch.sin(0.37 * i * i + 1.7 * i + k + 1)).float().reshape(shape)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Linear(12, 8)
        self.b = torch.nn.Linear(8, 6, bias=False)
        self.config = {"model_type": "custom", "tie_word_embeddings": False}
        with torch.no_grad():
            for k, parameter in enumerate(self.parameters()):
                parameter.copy_(wave(parameter.shape, 10 + k, 0.9))

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)))


CASES = [
    *[{"r": 3, "velora_config": {"num_groups": 4, "init_type": kind}} for kind in ("batch_average", "batch_average_once")],
    {"r": 2, "velora_config": {"num_groups": 5, "scale": 0.7, "init_type": "random"}, "lora_alpha": 3},
    {"r": 2, "velora_config": {"num_groups": 64}, "lora_bias": True},
    {"r": 3, "kasa_config": {"beta": 0.3, "gamma": 0.2}, "lora_alpha": 5},
    {"r": 3, "monteclora_config": {"num_samples": 4, "kl_loss_weight": 0.3, "sample_scaler": 0.0}},
    {"r": 2, "monteclora_config": {"dirichlet_prior": 2.5, "kl_loss_weight": 0.1, "use_entropy": True, "sample_scaler": 0}},
]


def answers(options):
    """The terms of the loss, gradients and buffers in two steps of training with different inputs."""
    torch.manual_seed(0)
    model = get_peft_model(Net(), LoraConfig(target_modules=["a", "b"], **options))
    state = get_peft_model_state_dict(model)
    filled = {key: wave(value.shape, k) for k, (key, value) in enumerate(sorted(state.items()))}
    report = set_peft_model_state_dict(model, dict(filled))
    assert not report.unexpected_keys, report
    model.train()
    short = lambda t: [float(f"{x:.7g}") for x in t.detach().flatten().tolist()]
    steps = []
    for step in range(2):
        # MonteCLoRA's term before the first forward pass depends on no random numbers.
        term = model.base_model._get_kasa_loss() + model.base_model._get_monteclora_loss()
        x = wave([2, 3, 12], 20 + step, 1.3).requires_grad_()
        model.zero_grad()
        if "monteclora_config" in options:
            if step == 1:
                break
            loss = term
        else:
            loss = (model(x) * wave([2, 3, 6], 30, 1)).sum() + term
        loss.backward()
        grads = {n.replace(".default", ""): short(p.grad) for n, p in model.named_parameters() if p.grad is not None}
        buffers = {key: short(v) for key, v in get_peft_model_state_dict(model).items() if key.endswith("embed")}
        steps.append({"loss": loss.item(), "grads": grads, "buffers": buffers, "x": short(x.grad) if x.grad is not None else []})
    config = model.peft_config["default"].to_dict()
    config["peft_type"] = "LORA"
    config["target_modules"] = ["a", "b"]
    shapes = {key: list(value.shape) for key, value in filled.items()}
    return {"name": json.dumps(options), "config": config, "shapes": shapes, "steps": steps}


print(json.dumps([answers(options) for options in CASES], separators=(",", ":")))
