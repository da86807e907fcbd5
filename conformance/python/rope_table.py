"""Writes frequencies of rotary embedding by transformers, for packages/models/src/rope/rope/pythonFrequencies.gen.json."""

import json
import warnings

import torch
from transformers import Gemma4TextConfig, LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

warnings.filterwarnings("ignore")

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LONG = {
    "rope_type": "longrope",
    "short_factor": [1.0, 1.25, 1.5, 2.0],
    "long_factor": [1.0, 2.5, 4.0, 9.0],
    "original_max_position_embeddings": 64,
}
PARAMETERS = [
    YARN,
    {**YARN, "factor": 1.0},
    {**YARN, "factor": 1.0, "mscale": 0.5, "mscale_all_dim": 0.25},
    {**YARN, "factor": 2.0, "mscale": 0.5},
    {**YARN, "factor": 2.0, "mscale_all_dim": 0.5},
    {**YARN, "factor": 2.0, "mscale": 0.5, "mscale_all_dim": 0.25},
    {**YARN, "attention_factor": 1.5},
    {**YARN, "beta_fast": 8.0, "beta_slow": 2.0},
    {**YARN, "beta_fast": 8.0, "beta_slow": 2.0, "truncate": False},
    {**YARN, "truncate": False},
    {**YARN, "rope_theta": 3.0},
    {**YARN, "rope_theta": 1.5, "original_max_position_embeddings": 256},
    {**YARN, "original_max_position_embeddings": 8, "beta_slow": 3.0},
    {**YARN, "original_max_position_embeddings": 8, "beta_slow": 3.0, "truncate": False},
    {**LLAMA3, "original_max_position_embeddings": 64},
    {**LLAMA3, "original_max_position_embeddings": 16, "rope_theta": 100.0},
    {**LLAMA3, "low_freq_factor": 2.0, "high_freq_factor": 3.0, "original_max_position_embeddings": 128},
    {"rope_type": "linear", "factor": 2.5},
    {"rope_type": "dynamic", "factor": 2.0},
    {"rope_type": "dynamic", "factor": 3.0, "rope_theta": 500.0},
    LONG,
    {**LONG, "factor": 2.0},
    {**LONG, "factor": 1.0},
    {**LONG, "attention_factor": 1.25},
]


def table(parameters, length):
    parameters = {"rope_theta": 10000.0, **parameters}
    given = {"hidden_size": 16, "num_attention_heads": 2, "head_dim": 8, "max_position_embeddings": 256}
    config = LlamaConfig(**given, rope_parameters=dict(parameters))
    frequencies, factor = ROPE_INIT_FUNCTIONS[parameters["rope_type"]](config, torch.device("cpu"), seq_len=length)
    found = {"frequencies": frequencies.tolist(), "attention": float(factor)}
    return {"parameters": parameters, "length": length, **found}


def proportional(parameters):
    parameters = {"rope_type": "proportional", "rope_theta": 10000.0, **parameters}
    config = Gemma4TextConfig(rope_parameters={"full_attention": dict(parameters), "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}, head_dim=8, global_head_dim=8)
    frequencies, factor = ROPE_INIT_FUNCTIONS["proportional"](config, torch.device("cpu"), layer_type="full_attention")
    return {"parameters": parameters, "length": 1, "frequencies": frequencies.tolist(), "attention": float(factor)}


tables = [table(parameters, length) for parameters in PARAMETERS for length in ([1] if parameters["rope_type"] in ("yarn", "llama3", "linear") else [1, 64, 65, 256, 257, 700])]
for parameters in [{"partial_rotary_factor": 0.25}, {"partial_rotary_factor": 0.5}, {"partial_rotary_factor": 0.7, "factor": 2.0}, {"partial_rotary_factor": 1.0}]:
    tables.append(proportional(parameters))
print("[\n" + ",\n".join(map(json.dumps, tables)) + "\n]")
