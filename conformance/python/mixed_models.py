"""Adapters of several methods on one model, as PEFT's mixed models have them."""

import torch
from base import as_batch, as_json, load_base, measure
from peft import PeftConfig, PeftMixedModel, get_peft_config, get_peft_model
from peft.tuners.oft.layer import Linear as OftLinear
from peft.tuners.tuners_utils import BaseTunerLayer


def mixed_adapters(base, configs, seed, out):
    """Random adapters a0, a1, ..., one for each configuration, saved by themselves below `out`."""
    for i, config in enumerate(configs):
        torch.manual_seed(seed + i)
        model = get_peft_model(load_base(base), get_peft_config(config))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter += 0.1 * torch.randn_like(parameter)
        model.save_pretrained(f"{out}/a{i}")
    return {}


def load_mixed(base, folders):
    """A mixed model with the adapters of the folders, which are trainable and named a0, a1, ..."""
    # `from_pretrained` is the same, but does not accept OFT.
    model = PeftMixedModel(load_base(base), PeftConfig.from_pretrained(folders[0]), "a0")
    for i, folder in enumerate(folders):
        model.load_adapter(folder, f"a{i}", is_trainable=True)
    return model.eval()


def merge(model):
    """
    Merges the active adapters from the inside out, in the order in which the forward pass applies them. In PEFT 0.21.2, a merge in
    place begins with the outermost wrapper, a permanent merge of three wrappers with the second, and of several OFT
    adapters of one wrapper with the first, which the forward pass applies to the inputs before the others.
    """
    for layer in reversed([m for m in model.modules() if isinstance(m, BaseTunerLayer)]):
        names = list(layer.active_adapters)
        layer.merge(adapter_names=names[::-1] if isinstance(layer, OftLinear) else names)


def mixed_results(base, folders, inputs, sets, deleted, norms):
    """
    For each of `sets` of active adapters logits, loss and gradients, the counts of trainable and of all parameters, and
    logits after merging. Then logits without adapters, after `deleted` was deleted with the first set active, and after a
    permanent merge of the first set. Sets of `norms` have DoRA outside of other methods. PEFT 0.21.2 merges it with
    the norms of weights that already contain the others, so their merged logits are those of the forward pass.
    """
    batch = as_batch(inputs)
    model = load_mixed(base, folders)
    tensors, counts = {}, []
    for i, names in enumerate(sets):
        model.set_adapter(names)
        counts.append(model.get_nb_trainable_parameters())
        for name, value in measure(model, batch).items():
            kind, _, rest = name.replace(".base_layer", "").partition(".")
            tensors[f"{kind}.{i}.{rest}"] = value
        live = tensors[f"logits.unmerged{i}"] = tensors[f"logits.{i}."]
        with torch.no_grad():
            # Unmerging is not exact in PEFT, so each merge has its own model.
            other = load_mixed(base, folders)
            other.set_adapter(names)
            merge(other)
            tensors[f"merged_logits.{i}"] = live if i in norms else other(**batch).logits
    with torch.no_grad():
        with model.disable_adapter():
            tensors["logits.disabled"] = model(**batch).logits
        model.set_adapter(sets[0])
        if deleted is not None:
            model.delete_adapter(deleted)
            tensors["logits.deleted"] = model(**batch).logits
        model = load_mixed(base, folders)
        model.set_adapter(sets[0])
        merge(model)
        tensors["merged_logits.unloaded"] = tensors["logits.0."] if 0 in norms else model.unload()(**batch).logits
    return {"tensors": as_json(tensors), "counts": counts}
