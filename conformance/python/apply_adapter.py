"""An adapter folder loaded by PEFT over a base folder, and what it computes there."""

import warnings
from pathlib import Path
from unittest import mock

from base import as_batch, as_json, load_base, measure, merged_logits
from peft import PeftConfig, PeftModel, get_peft_model_state_dict
from safetensors import safe_open


def load_watched(base, adapter, trainable, attention):
    """The model, the names of parameters that PEFT finds missing and unexpected in the file, and its warnings."""
    reports = []
    load_adapter = PeftModel.load_adapter

    def watched(*args, **kwargs):
        reports.append(load_adapter(*args, **kwargs))
        return reports[-1]

    with mock.patch.object(PeftModel, "load_adapter", watched), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(
            load_base(base, attention), adapter, is_trainable=trainable, torch_device="cpu"
        )
    (report,) = reports
    # PEFT calls these keys missing, though its files hold their numbers in another form: VB-LoRA's
    # bank once, and instead of a prompt's encoder the rows that it makes.
    missing = [key for key in report.missing_keys if "vblora_vector_bank" not in key and "prompt_encoder" not in key]
    unexpected = [key for key in report.unexpected_keys if key != "prompt_embeddings"]
    texts = [str(w.message) for w in caught if not issubclass(w.category, FutureWarning)]
    return model.eval(), missing, unexpected, texts


def apply_adapter(base, adapter, inputs, merge, again, attention="eager"):
    """
    Returns `missing` and `unexpected`, the saved keys that the file lacks or has too many by PEFT's own account (what
    it would save, and what its load reports), the `warnings` that loading gave, and as `tensors` logits, loss,
    gradients, and merged_logits (in weights rounded to dtype `merge`, if not None). Saves what it loaded to the folder
    `again`.
    """
    batch = as_batch(inputs)
    prompt = PeftConfig.from_pretrained(adapter).is_prompt_learning
    model, missing, unexpected, texts = load_watched(base, adapter, trainable=not prompt, attention=attention)
    with safe_open(str(Path(adapter) / "adapter_model.safetensors"), "pt") as file:
        have = set(file.keys())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = set(get_peft_model_state_dict(model))
        model.save_pretrained(again)
    if prompt:
        model.requires_grad_(False)
    tensors = measure(model, batch)
    if merge is not None:
        tensors["merged_logits"] = merged_logits(base, adapter, batch, merge)
    return {
        "missing": sorted((want - have) | {key.replace(".default", "") for key in missing}),
        # If all biases train beside a whole module, PEFT saves copies that its load does not know.
        "unexpected": sorted((have | set(unexpected)) - want),
        "warnings": texts,
        "tensors": as_json(tensors),
    }
