"""Writes golden data of an adapter, with the counts in index.json:

    golden_adapter.py GOLDEN BASE NAME CONFIG [--noise 0.1] [--no-merge] [--inputs JSON]

GOLDEN is the folder of golden data and BASE a model in its models/. CONFIG is the adapter's adapter_config.json, or only
the fields that differ from PEFT's defaults, such as '{"peft_type": "LORA", "r": 4, "target_modules": ["q_proj"]}'. The
batch is that of another adapter on the same base, or else of the base, with further inputs, such as '{"task_ids": [1, 0]}'. Normal noise makes all trained values differ from their start.

An X-LoRA configuration has its experts as a list of LoRA options, "adapters": [{"r": 2, "target_modules": ["q_proj"]}]."""

import argparse
import json
import shutil
from pathlib import Path

import torch
from base import load_base, measure, merged_logits, train, trainable
from peft import LoraConfig, get_peft_model
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from safetensors.torch import load_file, save_file

BATCH = ("input_ids", "attention_mask", "labels")

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("golden", type=Path)
parser.add_argument("base")
parser.add_argument("name")
parser.add_argument("config", type=json.loads)
parser.add_argument("--noise", type=float, default=0.1, help="standard deviation of the noise (default: 0.1)")
parser.add_argument("--no-merge", action="store_true", help="PEFT cannot merge this adapter")
parser.add_argument("--inputs", type=json.loads, default={}, help="further inputs of the batch")
args = parser.parse_args()

base, folder = args.golden / "models" / args.base, args.golden / "adapters" / args.base / args.name
others = (args.golden / "adapters" / args.base).glob("*/golden.safetensors")
other = next(others, base / "golden.safetensors")
batch = {name: value.long() for name, value in load_file(other).items() if name in BATCH}
batch |= {name: torch.tensor(value) for name, value in args.inputs.items()}
fields = {"task_type": "CAUSAL_LM", **args.config}
Config = PEFT_TYPE_TO_CONFIG_MAPPING[fields.pop("peft_type")]

model_of_base = load_base(base)
experts = fields.get("adapters", [])
for i, options in enumerate(experts):
    torch.manual_seed(100 + i)
    expert = get_peft_model(load_base(base), LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, **options))
    expert.peft_config["default"].base_model_name_or_path = ""
    expert.save_pretrained(folder / "experts" / str(i))
    (folder / "experts" / str(i) / "README.md").unlink()
if experts:
    fields["adapters"] = {str(i): str(folder / "experts" / str(i)) for i in range(len(experts))}
    model_of_base.config.use_cache = False  # PEFT refuses others.
torch.manual_seed(0)
model = get_peft_model(model_of_base, Config(**fields)).eval()
tensors = {"init_logits": model(**batch).logits}
torch.manual_seed(1)
with torch.no_grad():
    for _, parameter in trainable(model):
        parameter.add_(args.noise * torch.randn_like(parameter))
model.peft_config["default"].base_model_name_or_path = ""
model.save_pretrained(folder)
(folder / "README.md").unlink()
if experts:
    # PEFT 0.21.2 drops some of the classifier's tensors, and writes the paths of the experts.
    for i in range(len(experts)):
        shutil.rmtree(folder / str(i), ignore_errors=True)
        shutil.move(folder / "experts" / str(i), folder / str(i))
    (folder / "experts").rmdir()
    written = json.loads((folder / "adapter_config.json").read_text())
    written["adapters"] = {name: name for name in written["adapters"]}
    (folder / "adapter_config.json").write_text(json.dumps(written, indent=2, sort_keys=True))
    classifier = {name: value.detach().clone() for name, value in trainable(model)}
    save_file(classifier, folder / "adapter_model.safetensors", metadata={"format": "pt"})

tensors |= {f"param.{name}": value.detach().clone() for name, value in trainable(model)}
tensors |= measure(model, batch)
merged = None if args.no_merge else merged_logits(base, folder, batch, "float32")
if merged is not None:
    tensors["merged_logits"] = merged
count, total = model.get_nb_trainable_parameters()
loss = tensors["loss"].item()
tensors["adamw_losses"] = torch.tensor(train(model, batch, 6, 5e-3))
save_file({name: value.detach().contiguous() for name, value in (tensors | batch).items()}, folder / "golden.safetensors")

index = args.golden / "adapters" / "index.json"
rows = [row for row in json.loads(index.read_text()) if (row["base"], row["method"]) != (args.base, args.name)]
size = (folder / "adapter_model.safetensors").stat().st_size
row = {"base": args.base, "method": args.name, "trainable": count, "all": total, "adapter_bytes": size, "loss": loss}
if merged is not None:
    row["merge_err"] = (tensors["logits"] - merged).abs().max().item()
index.write_text(json.dumps([*rows, row], indent=1) + "\n")
print(json.dumps(row))
