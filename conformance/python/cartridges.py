"""How PEFT starts cartridges from a text and from a cache, and joins them."""

import torch
from base import as_batch, as_json, load_base
from peft import (
    CartridgeConfig,
    PeftModel,
    PrefixTuningConfig,
    compose_cartridge_adapters,
    get_peft_model,
    initialize_kv_prefix_from_past_key_values,
    initialize_kv_prefix_from_text,
)


def cartridge_starts(base, tokens, count, frozen, inputs, out):
    """
    A cartridge from a text of these tokens, saved in `out`/text, one from a cache in `out`/cache, and prefix tuning in
    `out`/prefix: their virtual tokens, and the logits of the first. `out`/both has the first two joined by PEFT.
    """

    def tokenizer(text, **options):
        return {"input_ids": torch.tensor([tokens])}

    tensors = {}
    configs = {
        "text": CartridgeConfig(task_type="CAUSAL_LM", num_virtual_tokens=count, num_frozen_tokens=frozen),
        "cache": CartridgeConfig(task_type="CAUSAL_LM", num_virtual_tokens=count - 1, num_frozen_tokens=0),
        "prefix": PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=count),
    }
    for name, config in configs.items():
        model = get_peft_model(load_base(base), config).eval()
        if name == "cache":
            with torch.no_grad(), model.disable_adapter():
                cache = model(input_ids=torch.tensor([tokens]), use_cache=True).past_key_values
            tensors[f"grad.{name}"] = initialize_kv_prefix_from_past_key_values(model, past_key_values=cache)
        else:
            tensors[f"grad.{name}"] = initialize_kv_prefix_from_text(model, tokenizer, text="")
        tensors[f"logits.{name}"] = model(**as_batch(inputs)).logits
        model.save_pretrained(f"{out}/{name}")
    compose_cartridge_adapters([f"{out}/text", f"{out}/cache"], output_path=f"{out}/both")
    return {"tensors": as_json(tensors)}


def cartridge_logits(base, adapter, inputs):
    """What PEFT gives for a folder of Lowrank."""
    model = PeftModel.from_pretrained(load_base(base), adapter, torch_device="cpu").eval()
    return {"tensors": as_json({"logits": model(**as_batch(inputs)).logits})}
