"""An adapter made, trained and saved by PEFT, with what it computes at the moment it was saved and afterwards."""

import torch
from base import as_batch, as_json, load_base, measure, train
from peft import PeftModel, get_peft_config, get_peft_model


def train_adapter(base, config, seed, inputs, steps, lr, adapter, decay=0.0, merge=True):
    """
    Trains `steps` AdamW steps and saves the adapter to the folder `adapter`. Returns as `tensors` the saved adapter's
    logits, merged_logits (if `merge`), loss and gradients, and `losses`: those of `steps` more steps with a fresh
    optimiser, from the saved adapter on.
    """
    batch = as_batch(inputs)
    torch.manual_seed(seed)
    model = get_peft_model(load_base(base), get_peft_config(config))
    model.eval()
    train(model, batch, steps, lr, decay)
    model.save_pretrained(adapter)
    tensors = measure(model, batch)
    if merge:
        with torch.no_grad():
            merged = PeftModel.from_pretrained(load_base(base), adapter, torch_device="cpu").merge_and_unload(
                safe_merge=True
            )
            tensors["merged_logits"] = merged(**batch).logits
    tensors["losses"] = torch.tensor(train(model, batch, steps, lr, decay))
    return {"tensors": as_json(tensors)}
