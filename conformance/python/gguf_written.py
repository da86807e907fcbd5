"""Reads a GGUF file by gguf-py and compares it with the Hugging Face folder that it was made from."""

import json
from pathlib import Path

import gguf
import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFReader
from safetensors.numpy import load_file

ARCHITECTURES = {"llama": gguf.MODEL_ARCH.LLAMA, "gpt2": gguf.MODEL_ARCH.GPT2}
LLAMA_KEYS = {
    "context_length": "max_position_embeddings", "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size", "block_count": "num_hidden_layers",
    "attention.head_count": "num_attention_heads", "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps", "vocab_size": "vocab_size",
}
GPT2_KEYS = {
    "context_length": "n_positions", "embedding_length": "n_embd", "block_count": "n_layer",
    "attention.head_count": "n_head", "attention.layer_norm_epsilon": "layer_norm_epsilon", "vocab_size": "vocab_size",
}


def expected_tensors(config, weights):
    """Each tensor by llama.cpp's name, as its converter lays it out."""
    llama = config["model_type"] == "llama"
    layers = config["num_hidden_layers" if llama else "n_layer"]
    names = gguf.get_tensor_name_map(ARCHITECTURES[config["model_type"]], layers)
    heads = {"q_proj": config.get("num_attention_heads"), "k_proj": config.get("num_key_value_heads")}
    for name, values in weights.items():
        module, part = name.rsplit(".", 1)
        layer = module.rsplit(".", 1)[-1]
        if not llama and layer.startswith("c_") and part == "weight":
            values = values.T
        elif layer in heads:
            rows = len(values)
            halves = values.reshape(heads[layer], 2, rows // heads[layer] // 2, *values.shape[1:])
            values = halves.swapaxes(1, 2).reshape(values.shape)
        yield f"{names.get_name(module)}.{part}", np.ascontiguousarray(values)


def expected_type(name, values, dtype, head):
    if values.ndim == 1 or name == "position_embd.weight":
        return GGMLQuantizationType.F32
    kind = GGMLQuantizationType["Q8_0" if dtype.startswith("q4") and name == head else dtype.upper()]
    return kind if values.shape[-1] % GGML_QUANT_SIZES[kind][0] == 0 else GGMLQuantizationType.F16


def check_gguf(folder, file, dtype):
    """What in the file is not as it should be: tensors to the byte, types, shapes, the config's numbers."""
    config = json.loads((Path(folder) / "config.json").read_text())
    weights = load_file(Path(folder) / "model.safetensors")
    reader = GGUFReader(file)
    found = {tensor.name: tensor for tensor in reader.tensors}
    head = "output.weight" if "output.weight" in found else "token_embd.weight"
    problems = []
    for name, values in expected_tensors(config, weights):
        tensor = found.pop(name, None)
        kind = expected_type(name, values, dtype, head)
        if tensor is None:
            problems.append(f"{name} is missing")
        elif tensor.tensor_type != kind or [int(n) for n in tensor.shape] != list(reversed(values.shape)):
            problems.append(f"{name} is {tensor.tensor_type.name} {tensor.shape}, not {kind.name} {values.shape}")
        elif gguf.quantize(values, kind).tobytes() != tensor.data.tobytes():
            problems.append(f"{name} is not what gguf-py makes of it")
    problems += [f"{name} is in no folder" for name in found]
    architecture = config["model_type"]
    if reader.get_field("general.architecture").contents() != architecture:
        problems.append("general.architecture is another one")
    for key, theirs in (LLAMA_KEYS if architecture == "llama" else GPT2_KEYS).items():
        value = reader.get_field(f"{architecture}.{key}").contents()
        if np.float32(value) != np.float32(config[theirs]):
            problems.append(f"{architecture}.{key} is {value}, and {theirs} {config[theirs]}")
    return problems
