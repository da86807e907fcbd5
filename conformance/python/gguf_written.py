"""Reads a GGUF file by gguf-py and compares it with the Hugging Face folder that it was made from."""

from pathlib import Path

import gguf
import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFReader
from ggml_reference import TYPES as GGML_TYPES
from ggml_reference import quantize as ggml_quantize
from gguf_architecture import GgufArchitecture
from safetensors.numpy import load_file


def expected_tensors(model, weights):
    """Each tensor by llama.cpp's name, as its converter lays it out."""
    for name, values in weights.items():
        if model.is_conv1d(name):
            values = values.T
        elif name in model.heads:
            heads = model.heads[name]
            halves = values.reshape(heads, 2, len(values) // heads // 2, *values.shape[1:])
            values = halves.swapaxes(1, 2).reshape(values.shape)
        if name in model.plus:
            values = values + np.float32(model.plus[name])
        yield model.file_name(name), np.ascontiguousarray(values)


# The type of the output layer, and what llama.cpp takes where rows are no whole blocks.
HEADS = {"Q4_0": "Q8_0", "Q4_1": "Q8_0", "Q5_0": "Q8_0", "Q5_1": "Q8_0", "Q4_K": "Q6_K", "Q5_K": "Q6_K"}
FALLBACKS = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}


def expected_type(name, values, dtype, head):
    if values.ndim == 1 or name == "position_embd.weight":
        return GGMLQuantizationType.F32
    kind = dtype.upper()
    if name == head:
        kind = HEADS.get(kind, kind)
    for candidate in (kind, FALLBACKS.get(kind, kind)):
        if values.shape[-1] % GGML_QUANT_SIZES[GGMLQuantizationType[candidate]][0] == 0:
            return GGMLQuantizationType[candidate]
    return GGMLQuantizationType.F16


def quantize(values, kind):
    """The blocks by gguf-py, or by ggml itself where gguf-py has no quantiser."""
    return ggml_quantize(values, kind.name) if kind.name in GGML_TYPES else gguf.quantize(values, kind)


def check_gguf(folder, file, dtype, architecture, heads, plus):
    """What in the file is not as it should be: tensors to the byte, types, shapes, the config's numbers."""
    model = GgufArchitecture(folder, architecture, heads, plus)
    weights = load_file(Path(folder) / "model.safetensors")
    reader = GGUFReader(file)
    found = {tensor.name: tensor for tensor in reader.tensors}
    head = "output.weight" if "output.weight" in found else "token_embd.weight"
    problems = []
    for name, values in expected_tensors(model, weights):
        tensor = found.pop(name, None)
        kind = expected_type(name, values, dtype, head)
        if tensor is None:
            problems.append(f"{name} is missing")
        elif tensor.tensor_type != kind or [int(n) for n in tensor.shape] != list(reversed(values.shape)):
            problems.append(f"{name} is {tensor.tensor_type.name} {tensor.shape}, not {kind.name} {values.shape}")
        elif quantize(values, kind).tobytes() != tensor.data.tobytes():
            problems.append(f"{name} is not what gguf-py makes of it")
    problems += [f"{name} is in no folder" for name in found]
    if reader.get_field("general.architecture").contents() != architecture:
        problems.append("general.architecture is another one")
    for key, theirs, expected in model.settings():
        field = reader.get_field(f"{architecture}.{key}")
        value = None if field is None else field.contents()
        if value is None or np.float32(value) != np.float32(expected):
            problems.append(f"{architecture}.{key} is {value}, and {theirs} {expected}")
    return problems
