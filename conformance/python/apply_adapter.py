"""An adapter folder loaded by PEFT over a base folder, and what it computes there."""

import warnings
from pathlib import Path

import torch
from base import as_batch, as_json, load_base, measure
from peft import PeftConfig, PeftModel, get_peft_model_state_dict
from safetensors import safe_open


def apply_adapter(base, adapter, inputs, merge=True):
    """
    Returns `missing` and `unexpected`, the saved keys that the file lacks or has too many by PEFT's own account (what
    it would save, and what its load reports), the `warnings` that loading gave, and as `tensors` logits, merged_logits
    (if `merge`), loss and gradients.
    """
    batch = as_batch(inputs)
    prompt = PeftConfig.from_pretrained(adapter).is_prompt_learning
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(load_base(base), adapter, is_trainable=not prompt, torch_device="cpu")
        loaded = model.load_adapter(adapter, "default", is_trainable=not prompt, torch_device="cpu")
    with safe_open(str(Path(adapter) / "adapter_model.safetensors"), "pt") as file:
        have = set(file.keys())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = set(get_peft_model_state_dict(model))
    model.eval()
    tensors = measure(model, batch)
    if merge:
        with torch.no_grad():
            tensors["merged_logits"] = model.merge_and_unload(safe_merge=True)(**batch).logits
    return {
        "missing": sorted((want - have) | {key.replace(".default", "") for key in loaded.missing_keys}),
        "unexpected": sorted((have - want) | set(loaded.unexpected_keys)),
        "warnings": [str(w.message) for w in caught if not issubclass(w.category, FutureWarning)],
        "tensors": as_json(tensors),
    }
