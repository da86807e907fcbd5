"""Networks of torch's convolutions and attention, and what PEFT's adapters of them give. The values of weights and
inputs are those of packages/peft/src/testing/moduleNet.ts."""

import tempfile

import peft
import torch
from base import as_json, trainable
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING


def wave(shape, k, scale=0.4):
    """Value i of the k-th tensor."""
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (scale * torch.sin(0.37 * i * i + 1.7 * i + k + 1)).float().reshape(shape)


def layer_of(kind, name, **options):
    classes = {"convolution1d": torch.nn.Conv1d, "convolution2d": torch.nn.Conv2d, "linear": torch.nn.Linear}
    classes["attention"] = torch.nn.MultiheadAttention
    return classes[kind](**{key: tuple(v) if isinstance(v, list) else v for key, v in options.items()})


class Net(torch.nn.Module):
    """Layers in a row, with tanh between them. `layers` has the kind, the name and torch's arguments of each."""

    def __init__(self, layers):
        super().__init__()
        self.config = {"model_type": "custom", "tie_word_embeddings": False}
        self.kinds = {layer["name"]: layer["kind"] for layer in layers}
        for layer in layers:
            setattr(self, layer["name"], layer_of(**layer))
        with torch.no_grad():
            for k, (_, p) in enumerate(sorted(self.named_parameters())):
                p.copy_(wave(p.shape, 10 + k, 1.5 / (p.numel() / len(p)) ** 0.5 if p.ndim > 1 else 0.3))

    def forward(self, x):
        last = ""
        for i, (name, kind) in enumerate(self.kinds.items()):
            if i > 0:
                x = torch.tanh(x)
            if kind == "convolution1d" and x.ndim == 4:
                x = x.flatten(2)
            if kind == "linear" and last.startswith("convolution"):
                x = x.flatten(2).transpose(1, 2)
            layer, last = getattr(self, name), kind
            x = layer(x, x, x)[0] if kind == "attention" else layer(x)
        return x


def inputs_of(shape):
    return wave(shape, 3, 1.1)


def adapted(layers, config, scale=0.4, seed=0):
    """An adapted net, and the tensors of the adapter's file, which get values of `wave`."""
    fields = dict(config)
    kind = fields.pop("peft_type")
    torch.manual_seed(seed)
    model = peft.get_peft_model(Net(layers), PEFT_TYPE_TO_CONFIG_MAPPING[kind](**fields)).eval()
    state = peft.get_peft_model_state_dict(model)
    filled = {key: wave(state[key].shape, k, scale) for k, key in enumerate(sorted(state))}
    report = peft.set_peft_model_state_dict(model, dict(filled))
    assert not report.unexpected_keys, report
    return model, filled


def answers(model, x):
    """Outputs, the mean of their squares, and its gradients."""
    model.zero_grad()
    out = model(x)
    loss = out.square().mean()
    loss.backward()
    grads = {f"grad.{name}": p.grad for name, p in trainable(model) if p.grad is not None}
    return {"logits": out, "loss": loss.reshape(1), **grads}


def merged_answers(layers, folder, x):
    """Outputs of a net into which a saved adapter was merged; nothing where PEFT does not merge it."""
    model = peft.PeftModel.from_pretrained(Net(layers), folder, torch_device="cpu").eval()
    try:
        merged = model.merge_and_unload(safe_merge=True)
    except (NotImplementedError, RuntimeError):
        return {}
    with torch.no_grad():
        return {"merged_logits": merged(x)}


def module_theirs(layers, config, shape, out, scale=0.4):
    """Writes an adapter of PEFT to the folder `out`, and returns what it gives."""
    model, _ = adapted(layers, config, scale)
    model.save_pretrained(out)
    found = answers(model, inputs_of(shape)) | merged_answers(layers, out, inputs_of(shape))
    return {"tensors": as_json(found), "counts": list(model.get_nb_trainable_parameters())}


def module_ours(layers, adapter, shape):
    """What PEFT gives for an adapter of Lowrank."""
    model = peft.PeftModel.from_pretrained(Net(layers), adapter, is_trainable=True, torch_device="cpu").eval()
    found = answers(model, inputs_of(shape)) | merged_answers(layers, adapter, inputs_of(shape))
    with tempfile.TemporaryDirectory() as again:
        model.save_pretrained(again)
    return {"tensors": as_json(found), "counts": list(model.get_nb_trainable_parameters())}
