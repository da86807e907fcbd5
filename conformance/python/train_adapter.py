"""An adapter made, trained and saved by PEFT, with what it computes at the moment it was saved and afterwards."""

from pathlib import Path

import torch
from base import as_batch, as_json, load_base, measure, merged_logits, tied_twins, train
from peft import PeftModel, get_peft_config, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file


def train_adapter(base, config, seed, inputs, steps, lr, adapter, merge, allocates=False, trains=True, attention="eager", reloads=False):
    """
    Trains `steps` AdamW steps and saves the adapter to the folder `adapter`. Returns as `tensors` the saved adapter's
    logits and loss, merged_logits (in weights rounded to dtype `merge`, if not None), and where it `trains` on its gradients and
    `losses`: those of `steps` more steps with a fresh optimiser, from the saved adapter on. Where `allocates`, ranks are
    given out in the first training, and it is the file that is measured, which lacks those that were cut. Where it `reloads`, the file is measured too. `counts` are
    the trainable and all parameters before the training, and the bytes of the file.
    """
    batch = as_batch(inputs)
    torch.manual_seed(seed)
    model = get_peft_model(load_base(base, attention), get_peft_config(config)).eval()
    twice = sum(twin.numel() for _, twin in tied_twins(model))
    trainable, total = (count - twice for count in model.get_nb_trainable_parameters())
    train(model, batch, steps, lr, allocates)
    model.save_pretrained(adapter)
    saved = (Path(adapter) / "adapter_model.safetensors").stat().st_size
    if reloads:
        # `from_pretrained` refuses to train virtual tokens further.
        model = get_peft_model(load_base(base, attention), get_peft_config(config)).eval()
        set_peft_model_state_dict(model, load_file(Path(adapter) / "adapter_model.safetensors"))
    if allocates:
        model = PeftModel.from_pretrained(load_base(base), adapter, is_trainable=True, torch_device="cpu").eval()
    if not trains:
        model.requires_grad_(False)
    tensors = measure(model, batch)
    if merge is not None:
        tensors["merged_logits"] = merged_logits(base, adapter, batch, merge)
    if trains:
        tensors["losses"] = torch.tensor(train(model, batch, steps, lr))
    counts = {"trainable": trainable, "total": total, "bytesSaved": saved}
    return {"tensors": as_json(tensors), "counts": counts}
