"""Writes what PEFT's X-LoRA gives for several LoRA adapters:

    python xlora_passes.py > packages/peft/src/methods/routed/xlora.gen.json

Value i of the k-th tensor is 0.4 sin(0.37 i² + 1.7 i + k + 1)."""

import json
import tempfile
import types
import warnings

import torch
from peft import LoraConfig, XLoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

warnings.simplefilter("ignore")
torch.set_num_threads(1)


def wave(shape, k, scale=0.4):
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (scale * torch.sin(0.37 * i * i + 1.7 * i + k + 1)).float().reshape(shape)


class Stack(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(11, 6)
        self.a = torch.nn.Linear(6, 8)
        self.b = torch.nn.Linear(8, 6, bias=False)
        self.c = torch.nn.Linear(6, 6)

    def forward(self, input_ids):
        x = self.embed(input_ids)
        x = x + self.b(torch.tanh(self.a(x)))
        return x + torch.tanh(self.c(x))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        # PEFT's X-LoRA loads experts only for layers of a module with this name.
        self.model = Stack()
        self.head = torch.nn.Linear(6, 5, bias=False)
        self.config = types.SimpleNamespace(model_type="custom", tie_word_embeddings=False)
        self.config.to_dict = lambda: {}
        with torch.no_grad():
            for k, parameter in enumerate(self.parameters()):
                parameter.copy_(wave(parameter.shape, 10 + k, 0.9))

    def forward(self, input_ids, output_hidden_states=False, return_dict=True):
        x = self.model(input_ids)
        return types.SimpleNamespace(hidden_states=[x], logits=self.head(x))


EXPERTS = [
    {"r": 3, "lora_alpha": 5, "target_modules": ["embed", "a", "b"]},
    {"r": 2, "lora_alpha": 8, "target_modules": ["a", "c"], "use_rslora": True},
    {"r": 4, "lora_alpha": 3, "target_modules": ["b", "c"], "init_lora_weights": False},
]
CASES = [
    {},
    {"xlora_depth": 3, "xlora_size": 7, "layerwise_scalings": True, "softmax_temperature": 0.4},
    {"xlora_depth": 2, "xlora_size": 5, "xlora_dropout_p": 0.0, "top_k_lora": 2, "global_scaling_weight": 1.7},
    {"layerwise_scalings": True, "top_k_lora": 2, "enable_softmax_topk": True, "scaling_pass_value": 0.3},
    {"enable_softmax": False, "scaling_pass_value": -0.5, "use_trainable_adapters": True},
    {"enable_softmax": False, "layerwise_scalings": True, "enable_softmax_topk": True, "top_k_lora": 1},
]
IDS = torch.tensor([[1, 5, 3, 2], [4, 4, 0, 10]])


def save(folder, number, options):
    model = get_peft_model(Net(), LoraConfig(**options))
    state = get_peft_model_state_dict(model)
    set_peft_model_state_dict(
        model, {key: wave(state[key].shape, 100 * (number + 1) + k) for k, key in enumerate(sorted(state))}
    )
    model.save_pretrained(f"{folder}/{number}", save_embedding_layers=False)


def short(t):
    return [float(f"{x:.8g}") for x in t.detach().flatten().tolist()]


def plain(name):
    return name.removeprefix("base_model.").replace("lora_model.model.", "")


def run(folder, options):
    torch.manual_seed(3)
    adapters = {str(number): f"{folder}/{number}" for number in range(len(EXPERTS))}
    model = get_peft_model(Net(), XLoraConfig(hidden_size=6, adapters=adapters, **options))
    # In f64: the gradient of the classifier's bias is a sum of large values, of which f32 loses digits.
    model.double()
    tuner = model.base_model
    tuner.internal_xlora_classifier.dtype = torch.float64
    classifier = dict(tuner.internal_xlora_classifier.named_parameters())
    found = {
        "options": options,
        "training": [model.training, tuner.internal_xlora_classifier.training],
        "trainable": model.get_nb_trainable_parameters()[0],
    }
    with torch.no_grad():
        for k, name in enumerate(sorted(classifier)):
            classifier[name].copy_(wave(classifier[name].shape, 50 + k, 1.5))
    tuner.enable_scalings_logging()
    logits = model(input_ids=IDS).logits
    (logits * wave([2, 4, 5], 30, 1).double()).sum().backward()
    found["logits"] = short(logits)
    found["scalings"] = short(tuner.get_latest_scalings())
    found["shape"] = list(tuner.get_latest_scalings().shape)
    found["gradients"] = {plain(n): short(p.grad) for n, p in model.named_parameters() if p.grad is not None}
    with model.disable_adapter():
        found["base"] = short(model(input_ids=IDS).logits)
    model(input_ids=IDS[:, :2])
    model(input_ids=IDS)
    found["buckets"] = {n: positions for n, (positions, _) in tuner.get_bucketed_scalings_log().items()}
    tuner.set_topk_lora(1)
    tuner.set_global_scaling_weight(0.7)
    tuner.set_scaling_pass_value(0)
    found["changed"] = short(model(input_ids=IDS).logits)
    model.save_pretrained(f"{folder}/saved")
    found["config"] = json.load(open(f"{folder}/saved/adapter_config.json")) | {"adapters": {}}
    return found


with tempfile.TemporaryDirectory() as folder:
    for number, options in enumerate(EXPERTS):
        save(folder, number, options)
    print(json.dumps([run(folder, options) for options in CASES], separators=(",", ":")))
