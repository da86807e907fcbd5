"""Writes GGUF files by gguf-py, with random weights in every type that Lowrank reads."""

import hashlib
import itertools

import gguf
import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter, dequantize
from gguf_architecture import GgufArchitecture
from gguf_dequantize import HALVES, random_blocks


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
        add = writer.add_float32 if isinstance(value, float) else writer.add_uint32
        add(f"{name}.{key}", value)
    rope = getattr(model.config, "rope_parameters", None)
    if rope:
        writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
    writer.add_bos_token_id(model.config.bos_token_id)
    writer.add_eos_token_id(model.config.eos_token_id)


def write_gguf(folder, architecture, heads, plus, seed, out):
    """A file of the model in `folder` with other weights; returns the hash of each tensor's float32 in Hugging Face's order."""
    model = GgufArchitecture(folder, architecture, heads, plus)
    rng = np.random.default_rng(seed)
    writer = GGUFWriter(out, architecture)
    describe(writer, architecture, model)
    types = itertools.cycle(HALVES)
    hashes = {}
    for name, parameter in model.model.named_parameters():
        shape = parameter.shape
        conv1d = model.is_conv1d(name)
        rows, columns = (1, *shape) if len(shape) == 1 else reversed(shape) if conv1d else shape
        kind = next(types) if len(shape) == 2 else "F32"
        blocks, values = random_rows(kind, rows, columns, rng)
        if conv1d:
            values = values.T
        elif name in heads:
            # llama.cpp has a head's rows in pairs, transformers in halves.
            values = values.reshape(heads[name], shape[0] // heads[name] // 2, 2, -1).swapaxes(1, 2)
        if name in plus:
            values = values - np.float32(plus[name])
        hashes[name] = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
        own = blocks.reshape(-1) if len(shape) == 1 else blocks
        writer.add_tensor(model.file_name(name), own, raw_dtype=GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return hashes
