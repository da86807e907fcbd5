"""Parts of the scripts that record small trainings for the tests of @lowrank/train."""

import json
import sys

import torch


def set_weights(model, shift=0):
    """The weights that the tests make too: numbers of a formula, by the position of each name."""
    with torch.no_grad():
        for p, (name, parameter) in enumerate(sorted(model.named_parameters())):
            i = torch.arange(parameter.numel(), dtype=torch.float64)
            values = (((i * 7919 + (p + shift) * 104729) % 1009) / 504 - 1) * 0.3
            if "norm" in name.lower() and name.endswith("weight"):
                values = 1 + values / 3
            parameter.copy_(values.reshape(parameter.shape).to(torch.float32))
    return model


def train(model, batches, loss_of):
    """Takes a step of AdamW on each batch; returns the losses, and the gradients' norms before they are clipped."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    losses, norms = [], []
    for batch in batches:
        loss = loss_of(batch)
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)))
        losses.append(loss.item())
        optimizer.step()
    return dict(losses=losses, norms=norms)


def trl_settings(folder, batch, steps):
    """The settings of TRL's trainers under which they take the steps of `train`."""
    return dict(
        output_dir=folder,
        per_device_train_batch_size=batch,
        max_steps=steps,
        learning_rate=1e-2,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        max_grad_norm=1.0,
        adam_beta2=0.999,
        gradient_checkpointing=False,
        bf16=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )


def write(modules, **recorded):
    """Writes what was recorded, with the versions of the modules, into the file that the command names."""
    versions = {module.__name__: module.__version__ for module in modules}
    with open(sys.argv[1], "w") as file:
        json.dump(dict(versions=versions, **recorded), file)
        file.write("\n")
