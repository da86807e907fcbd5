"""Reads a GGUF file by gguf-py and compares it with the Hugging Face folder that it was made from."""

import re
from pathlib import Path

import gguf
import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFReader
from ggml_reference import TYPES as GGML_TYPES
from ggml_reference import quantize as ggml_quantize
from gguf_architecture import GgufArchitecture
from safetensors.numpy import load_file


def expected_tensors(model, weights):
    """Each tensor by llama.cpp's name, as its converter lays it out; whether it stays float32 comes along."""
    stacks = {}
    for name, values in weights.items():
        stacks.setdefault(model.file_name(name), []).append((name, model.in_file(name, values)))
    for file_name, parts in stacks.items():
        # By the number in the name, not as text.
        parts.sort(key=lambda part: [int(n) for n in re.findall(r"\d+", part[0])])
        values = parts[0][1] if len(parts) == 1 else np.stack([values for _, values in parts])
        wide = parts[0][1].ndim == 1 or parts[0][0] in model.wide
        yield file_name, np.ascontiguousarray(values), wide


# The type of the output layer, and what llama.cpp takes where rows are no whole blocks.
HEADS = {"Q4_0": "Q8_0", "Q4_1": "Q8_0", "Q5_0": "Q8_0", "Q5_1": "Q8_0", "Q4_K": "Q6_K", "Q5_K": "Q6_K"}
FALLBACKS = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}


def expected_type(name, values, wide, dtype, head):
    if wide:
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


def check_gguf(folder, file, dtype, **layout):
    """What in the file is not as it should be: tensors to the byte, types, shapes, the config's numbers."""
    model = GgufArchitecture(folder, **layout)
    architecture = layout["architecture"]
    weights = load_file(Path(folder) / "model.safetensors")
    reader = GGUFReader(file)
    found = {tensor.name: tensor for tensor in reader.tensors}
    head = "output.weight" if "output.weight" in found else "token_embd.weight"
    problems = []
    for name, values, wide in expected_tensors(model, weights):
        tensor = found.pop(name, None)
        kind = expected_type(name, values, wide, dtype, head)
        if tensor is None:
            problems.append(f"{name} is missing")
        elif tensor.tensor_type != kind or [int(n) for n in tensor.shape] != list(reversed(values.shape)):
            problems.append(f"{name} is {tensor.tensor_type.name} {tensor.shape}, not {kind.name} {values.shape}")
        elif quantize(values, kind).tobytes() != tensor.data.tobytes():
            problems.append(f"{name} is not what gguf-py makes of it")
    for name, values in model.divisors().items():
        tensor = found.pop(name, None)
        if tensor is None or tensor.data.tobytes() != values.tobytes():
            problems.append(f"{name} is missing or another one")
    problems += [f"{name} is in no folder" for name in found]
    if reader.get_field("general.architecture").contents() != architecture:
        problems.append("general.architecture is another one")
    for key, theirs, expected in model.settings():
        field = reader.get_field(f"{architecture}.{key}")
        value = None if field is None else field.contents()
        if value is None or np.any(np.float32(value) != np.float32(expected)):
            problems.append(f"{architecture}.{key} is {value}, and {theirs} {expected}")
    return problems
