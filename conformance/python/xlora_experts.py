"""How PEFT's X-LoRA mixes adapters, of its own files and of Lowrank's."""

import shutil

import torch
from base import as_batch, as_json, load_base
from peft import PeftModel, XLoraConfig, get_peft_model
from safetensors.torch import save_file
from several_adapters import random_adapters


def xlora_base(base):
    model = load_base(base)
    model.config.use_cache = False  # PEFT refuses others.
    return model


def answers(model, inputs):
    """Logits, loss, scalings and gradients in evaluation mode."""
    output = model(**as_batch(inputs))
    output.loss.backward()
    tensors = {"logits": output.logits, "loss": output.loss, "logits.scalings": model.base_model.get_latest_scalings()}
    for name, p in model.named_parameters():
        if p.grad is not None and ".lora_" not in name:
            tensors[f"grad.{name}"] = p.grad
    return {"tensors": as_json(tensors)}


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
            # Without a softmax, larger scalings give logits of which float32 loses digits: 5e-5 from those in float64.
            p.mul_(6 if config.get("enable_softmax", True) else 1)
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
