"""Writes GGUF files by gguf-py, with random weights in every type that Lowrank reads."""

import hashlib
import itertools
import re
from pathlib import Path

import gguf
import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter, dequantize
from gguf_architecture import GgufArchitecture
from gguf_dequantize import HALVES, random_blocks
from safetensors.numpy import load_file


def random_rows(name, rows, columns, rng):
    """Rows of blocks, and the numbers that gguf-py reads in them."""
    kind = GGMLQuantizationType[name]
    block, _ = GGML_QUANT_SIZES[kind]
    if HALVES[name]:
        blocks = random_blocks(name, rows * columns // block, rng, special=[]).reshape(rows, -1)
    else:
        values = rng.normal(0, 0.02, (rows, columns)).astype(np.float32)
        blocks = gguf.quantize(values, kind)
    return blocks, dequantize(blocks.view(np.uint8), kind).astype(np.float32)


def describe(writer, name, model):
    """Says the config's numbers; the vocabulary's size follows from the embedding."""
    for key, _, value in model.settings():
        adds = {float: writer.add_float32, bool: writer.add_bool, list: writer.add_array}
        add = adds.get(type(value), writer.add_uint32)
        add(f"{name}.{key}", value)
    rope = getattr(model.config, "rope_parameters", None)
    if rope:
        writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
    writer.add_bos_token_id(model.config.bos_token_id)
    writer.add_eos_token_id(model.config.eos_token_id)


def write_gguf(folder, seed, out, **layout):
    """A file of the model in `folder` with other weights; returns the hash of each tensor's float32 in Hugging Face's order."""
    model = GgufArchitecture(folder, **layout)
    rng = np.random.default_rng(seed)
    writer = GGUFWriter(out, layout["architecture"])
    describe(writer, layout["architecture"], model)
    types = itertools.cycle(HALVES)
    stacks = {}
    for name, values in load_file(Path(folder) / "model.safetensors").items():
        stacks.setdefault(model.file_name(name), []).append((name, values.shape))
    hashes = {}
    for file_name, parts in stacks.items():
        parts.sort(key=lambda part: [int(n) for n in re.findall(r"\d+", part[0])])
        name, own_shape = parts[0]
        # A convolution's weights lie without the dimension between; experts may be one tensor.
        is_conv = len(own_shape) == 3 and own_shape[1] == 1
        shape = (own_shape[0], own_shape[2]) if is_conv else own_shape
        columns = shape[0] if model.is_conv1d(name) else shape[-1]
        rows = int(np.prod(shape)) // columns
        kind = "F32" if is_conv or len(shape) == 1 else next(types)
        blocks, values = random_rows(kind, len(parts) * rows, columns, rng)
        for (part, _), own in zip(parts, np.split(values, len(parts)), strict=True):
            found = model.in_folder(part, own.reshape(shape) if len(shape) == 1 else own)
            hashes[part] = hashlib.sha256(np.ascontiguousarray(found).tobytes()).hexdigest()
        stacked = blocks.reshape(len(parts), rows, -1) if len(parts) > 1 and len(shape) == 2 else blocks
        one = blocks.reshape(-1) if len(shape) == 1 else blocks.reshape(*shape[:-1], -1) if len(shape) == 3 else stacked
        own = one if len(parts) == 1 else stacked
        writer.add_tensor(file_name, own, raw_dtype=GGMLQuantizationType[kind])
    for name, values in model.divisors().items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return hashes
