"""Writes GGUF files by gguf-py, with random weights in every type that Lowrank reads."""

import hashlib
import itertools

import gguf
import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter, dequantize
from gguf_dequantize import HALVES, random_blocks
from transformers import AutoConfig, AutoModelForCausalLM

ARCHITECTURES = {"llama": gguf.MODEL_ARCH.LLAMA, "gpt2": gguf.MODEL_ARCH.GPT2}


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


def describe(writer, config):
    llama = config.model_type == "llama"
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size if llama else config.n_inner)
    writer.add_head_count(config.num_attention_heads)
    if llama:
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    else:
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)


def write_gguf(config, seed, out):
    """A file of the model that `config` describes; returns the hash of each tensor's float32 in Hugging Face's order."""
    config = AutoConfig.for_model(**config)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    rng = np.random.default_rng(seed)
    names = gguf.get_tensor_name_map(ARCHITECTURES[config.model_type], config.num_hidden_layers)
    writer = GGUFWriter(out, config.model_type)
    describe(writer, config)
    types = itertools.cycle(HALVES)
    heads = {"q_proj": config.num_attention_heads, "k_proj": getattr(config, "num_key_value_heads", None)}
    hashes = {}
    for name, parameter in model.named_parameters():
        module, part = name.rsplit(".", 1)
        layer = module.rsplit(".", 1)[-1]
        shape = parameter.shape
        conv1d = config.model_type == "gpt2" and layer.startswith("c_") and part == "weight"
        rows, columns = (1, *shape) if len(shape) == 1 else reversed(shape) if conv1d else shape
        kind = next(types) if len(shape) == 2 else "F32"
        blocks, values = random_rows(kind, rows, columns, rng)
        if conv1d:
            values = values.T
        elif layer in heads and len(shape) == 2:
            # llama.cpp has a head's rows in pairs, transformers in halves.
            half = rows // heads[layer] // 2
            values = values.reshape(heads[layer], half, 2, columns).swapaxes(1, 2)
        hashes[name] = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
        own = blocks.reshape(-1) if len(shape) == 1 else blocks
        writer.add_tensor(f"{names.get_name(module)}.{part}", own, raw_dtype=GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return hashes
