"""What PEFT measures on a model for LoRA-GA and CorDA, and how its Arrow router mixes adapters."""

import dataclasses
import sys
import types

import torch
from base import as_json, load_base
from peft import ArrowConfig, LoraConfig, create_arrow_model, get_peft_model, preprocess_loraga
from several_adapters import random_adapters

# PEFT's CorDA imports this decorator from the package attrs, which is not among PEFT's requirements.
sys.modules.setdefault("attr", types.SimpleNamespace(dataclass=dataclasses.dataclass))


@torch.no_grad()
def arrow_model(base, options, arrow, tasks, input_ids, out):
    """Logits of a router over the first `tasks` of the random adapters with these options; the others are general."""
    random_adapters(base, options, out)
    paths = [f"{out}/a{i}" for i in range(len(options))]
    model = create_arrow_model(load_base(base), paths[:tasks], ArrowConfig(**arrow), paths[tasks:])
    return {"tensors": as_json({"logits": model.eval()(input_ids=torch.tensor(input_ids)).logits})}


def measured_start(base, config, input_ids):
    """Mean gradients, or covariances, of the targets' weights over the rows; with CorDA, also the product B A."""
    model = load_base(base)
    config = LoraConfig(**config)
    rows = [torch.tensor([row]) for row in input_ids]
    named = dict(model.named_modules())
    suffixes = tuple(f".{name}" for name in config.target_modules)
    paths = [path for path in named if path.endswith(suffixes)]
    if config.init_lora_weights == "lora_ga":
        preprocess_loraga(model, config, lambda: [model(input_ids=row, labels=row).loss.backward() for row in rows])
        return {"tensors": as_json({f"grad.{path}": named[path]._peft_loraga_grad for path in paths})}
    from peft.tuners.lora.corda import preprocess_corda

    config.corda_config.prune_temporary_fields = False
    preprocess_corda(model, config, lambda: [model(input_ids=row) for row in rows])
    tensors = {f"grad.{path}": named[path].covariance_matrix for path in paths}
    tuned = dict(get_peft_model(model, config).base_model.model.named_modules())
    for path in paths:
        a, b = tuned[path].lora_A["default"].weight, tuned[path].lora_B["default"].weight
        tensors[f"logits.{path}"] = b @ a
    return {"tensors": as_json(tensors)}
