"""Adapters together on one model, as PEFT has them: rows of a batch, weighted sums, values swapped in place."""

from unittest import mock

import torch
from base import as_json, load_base
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import model as lora
from peft.utils.hotswap import hotswap_adapter


def random_adapters(base, options, out):
    """Random LoRA adapters a0, a1, ..., one for each set of options, saved below `out` in safetensors and in `out`/bin in a pickle."""
    model = None
    for i, fields in enumerate(options):
        torch.manual_seed(i)
        config = LoraConfig(init_lora_weights=False, **fields)
        if model is None:
            model = get_peft_model(load_base(base), config, adapter_name=f"a{i}")
        else:
            model.add_adapter(f"a{i}", config)
    model.save_pretrained(out)
    model.save_pretrained(f"{out}/bin", safe_serialization=False)
    return model.eval()


@torch.no_grad()
def several_adapters(base, options, input_ids, rows, combinations, swaps, out):
    """
    The `tensors`: logits of the batch with an adapter for each of its rows; for each of `combinations` (PEFT's arguments)
    those of the weighted sum, its place among them being the seed of what DARE draws; and those of a0 after each of `swaps`, adapters
    whose values take its place one after the other, which PEFT cannot do on embeddings.
    """
    model = random_adapters(base, options, out)
    ids = torch.tensor(input_ids)
    tensors = {"logits.rows": model(input_ids=ids, adapter_names=rows).logits}
    freeze = lora._freeze_adapter
    for seed, arguments in enumerate(combinations):

        def frozen(*args, seed=seed):
            freeze(*args)
            torch.manual_seed(seed)  # The new adapter's start has drawn numbers by now.

        with mock.patch.object(lora, "_freeze_adapter", frozen):
            model.add_weighted_adapter(adapter_name=f"sum{seed}", **arguments)
        model.set_adapter(f"sum{seed}")
        tensors[f"logits.sum{seed}"] = model(input_ids=ids).logits
    swapped = PeftModel.from_pretrained(load_base(base), f"{out}/a0", torch_device="cpu").eval()
    for i, name in enumerate(swaps):
        hotswap_adapter(swapped, f"{out}/{name}", "default", torch_device="cpu")
        tensors[f"logits.swap{i}"] = swapped(input_ids=ids).logits
    return {"tensors": as_json(tensors)}
