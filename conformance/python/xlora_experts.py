"""How PEFT's X-LoRA mixes adapters, of its own files and of Lowrank's."""

import shutil

import torch
from base import as_batch, as_json, load_base
from peft import PeftModel, XLoraConfig, get_peft_model
from safetensors.torch import save_file
from several_adapters import random_adapters


def xlora_base(base):
    # For a token that attends to no key, such as padding on the left, "sdpa" gives zeros, as Lowrank does.
    model = load_base(base, "sdpa")
    model.config.use_cache = False  # PEFT refuses others.
    return model


def measured(model, inputs):
    """Logits, loss, scalings and gradients in evaluation mode."""
    model.zero_grad()
    output = model(**as_batch(inputs))
    output.loss.backward()
    scalings = model.base_model.get_latest_scalings()
    tensors = {"logits": output.logits, "loss": output.loss, "logits.scalings": scalings}
    for name, p in model.named_parameters():
        if p.grad is not None and ".lora_" not in name:
            tensors[f"grad.{name}"] = p.grad
    return {name: t.detach().clone() for name, t in tensors.items()}


def answers(model, inputs, draws=4):
    """
    The `tensors` in float64, `single` in float32, and as `spread` the largest change of each, relative to its largest element,
    over `draws` in which all weights move at random by up to half a unit in the last place of float32.
    """
    single = measured(model, inputs)
    model.double()
    model.base_model.internal_xlora_classifier.dtype = torch.float64
    exact = measured(model, inputs)
    weights = [(p, p.detach().clone()) for p in model.parameters()]
    generator = torch.Generator().manual_seed(0)
    largest = {name: max(t.abs().max().item(), 1e-30) for name, t in exact.items()}

    def errors(found):
        return {name: (found[name] - t).abs().max().item() / largest[name] for name, t in exact.items()}

    spread = dict.fromkeys(exact, 0.0)
    for _ in range(draws):
        with torch.no_grad():
            for p, value in weights:
                noise = torch.rand(value.shape, generator=generator, dtype=value.dtype) * 2 - 1
                p.copy_(value * (1 + noise * 2**-24))
        moved = errors(measured(model, inputs))
        spread = {name: max(error, moved[name]) for name, error in spread.items()}
    return {"tensors": as_json(exact), "single": as_json(single), "spread": spread}


def xlora_experts(base, options, config, inputs, seed, out):
    """
    Writes random experts a0, a1, ..., and X-LoRA over them with a random classifier: `out`/saved by save_pretrained, and
    `out`/whole with all of the classifier's tensors, which save_pretrained does not write, next to the experts' folders.
    """
    random_adapters(base, options, out)
    adapters = {str(i): f"{out}/a{i}" for i in range(len(options))}
    torch.manual_seed(seed)
    model = get_peft_model(xlora_base(base), XLoraConfig(adapters=adapters, **config))
    with torch.no_grad():
        for p in model.base_model.internal_xlora_classifier.parameters():
            p.mul_(6)
    model.save_pretrained(f"{out}/saved")
    shutil.copytree(f"{out}/saved", f"{out}/whole")
    for name, folder in adapters.items():
        shutil.rmtree(f"{out}/whole/{name}")
        shutil.copytree(folder, f"{out}/whole/{name}")
    classifier = model.base_model.internal_xlora_classifier.state_dict()
    prefix = "base_model.internal_xlora_classifier."
    save_file({prefix + name: p.clone() for name, p in classifier.items()}, f"{out}/whole/adapter_model.safetensors")
    return answers(model, inputs)


def xlora_apply(base, adapter, experts, inputs):
    """What PEFT gives for a folder of Lowrank."""
    # PEFT ignores its argument `adapters`, and reads the experts from the paths in the configuration.
    config = XLoraConfig.from_pretrained(adapter)
    config.adapters = {str(i): f"{adapter}/{i}" for i in range(experts)}
    model = PeftModel.from_pretrained(xlora_base(base), adapter, config=config, is_trainable=True, torch_device="cpu")
    return answers(model, inputs)
