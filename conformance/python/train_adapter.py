"""An adapter made, trained and saved by PEFT, with what it computes at the moment it was saved and afterwards."""

import torch
from base import load_base, load_inputs, measure, save_tensors, train
from peft import PeftModel, get_peft_config, get_peft_model


def train_adapter(base, config, seed, inputs, steps, lr, adapter, out, decay=0.0, merge=True):
    """
    Trains `steps` AdamW steps and saves the adapter to the folder `adapter`. `out` gets the saved adapter's logits,
    merged_logits (if `merge`), loss and gradients, and `losses`: `steps` more with a fresh optimiser, from the saved
    adapter on.
    """
    batch = load_inputs(inputs)
    torch.manual_seed(seed)
    model = get_peft_model(load_base(base), get_peft_config(config))
    model.eval()
    first = train(model, batch, steps, lr, decay)
    model.save_pretrained(adapter)
    tensors = measure(model, batch)
    if merge:
        with torch.no_grad():
            merged = PeftModel.from_pretrained(load_base(base), adapter).merge_and_unload(safe_merge=True)
            tensors["merged_logits"] = merged(**batch).logits
    tensors["losses"] = torch.tensor(train(model, batch, steps, lr, decay))
    save_tensors(tensors, out)
    return {"losses": first}
