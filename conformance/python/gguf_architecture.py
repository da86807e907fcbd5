"""What gguf-py and transformers know of a model that stands in a GGUF file, whatever its architecture."""

import re

import gguf
import numpy as np
import torch
from gguf_gemma4 import gemma4_divisors, gemma4_settings
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

# Keys below the architecture's name, and transformers' names for them. A file has those that its
# config has.
KEYS = (
    ("context_length", "max_position_embeddings"), ("embedding_length", "hidden_size"),
    ("block_count", "num_hidden_layers"), ("feed_forward_length", "intermediate_size"),
    ("feed_forward_length", "n_inner"), ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"), ("attention.key_length", "head_dim"),
    ("attention.layer_norm_rms_epsilon", "rms_norm_eps"), ("attention.layer_norm_rms_epsilon", "norm_eps"),
    ("shortconv.l_cache", "conv_L_cache"),
    ("attention.layer_norm_epsilon", "layer_norm_epsilon"), ("attention.sliding_window", "sliding_window"),
    ("vocab_size", "vocab_size"), ("attn_logit_softcapping", "attn_logit_softcapping"),
    ("final_logit_softcapping", "final_logit_softcapping"), ("attention.scale", "attention_multiplier"),
    ("embedding_scale", "embedding_multiplier"), ("residual_scale", "residual_multiplier"),
    ("logit_scale", "logits_scaling"), ("attention.layer_norm_epsilon", "layer_norm_eps"),
    ("use_parallel_residual", "use_parallel_residual"), ("expert_count", "num_local_experts"),
    ("expert_count", "num_experts"), ("expert_used_count", "num_experts_per_tok"),
    ("expert_feed_forward_length", "moe_intermediate_size"),
    ("expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
)

# Tensors that llama.cpp's converter names by itself, without a name in gguf-py's table.
OTHER_NAMES = {"router.scale": "ffn_gate_inp.scale", "router.per_expert_scale": "ffn_down_exps.scale"}


class GgufArchitecture:
    """
    `architecture` is llama.cpp's name; `heads` the number of heads of each tensor whose rows it has in pairs, `joined`
    of each whose queries, keys and values it has one after the other; `plus` what its numbers are larger by; `wide`
    are the tensors that stay float32.
    """

    def __init__(self, folder, architecture, heads, joined, plus, wide):
        self.config = AutoConfig.from_pretrained(folder)
        with torch.device("meta"):
            self.model = AutoModelForCausalLM.from_config(self.config)
        (kind,) = (kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
        self.names = gguf.get_tensor_name_map(kind, self.config.num_hidden_layers)
        self.heads = heads
        self.joined = joined
        self.plus = plus
        self.wide = wide

    def in_file(self, name, values):
        """A tensor as llama.cpp's converter lays it out."""
        if values.ndim == 3 and values.shape[1] == 1:
            values = values.squeeze(1)
        if self.is_conv1d(name):
            values = values.T
        elif name in self.heads:
            heads = self.heads[name]
            halves = values.reshape(heads, 2, len(values) // heads // 2, *values.shape[1:])
            values = halves.swapaxes(1, 2).reshape(values.shape)
        elif name in self.joined:
            heads = self.joined[name]
            parts = values.reshape(heads, 3, len(values) // heads // 3, *values.shape[1:])
            values = parts.swapaxes(0, 1).reshape(values.shape)
        return values + np.float32(self.plus[name]) if name in self.plus else values

    def in_folder(self, name, values):
        """A tensor of a file as transformers has it: `in_file` undone."""
        if name in self.plus:
            values = values - np.float32(self.plus[name])
        if self.is_conv1d(name):
            return values.T
        if name in self.heads:
            heads = self.heads[name]
            pairs = values.reshape(heads, len(values) // heads // 2, 2, *values.shape[1:])
            return pairs.swapaxes(1, 2).reshape(values.shape)
        if name in self.joined:
            heads = self.joined[name]
            parts = values.reshape(3, heads, len(values) // heads // 3, *values.shape[1:])
            return parts.swapaxes(0, 1).reshape(values.shape)
        return values

    def file_name(self, name):
        layer, other = re.fullmatch(r"(?:model\.layers\.(\d+)\.)?(.*)", name).groups()
        if other in OTHER_NAMES:
            return f"blk.{layer}.{OTHER_NAMES[other]}"
        # What has no "weight" in its name is one in a file.
        whole = self.names.get_name(name)
        if whole:
            return f"{whole}.weight"
        # Experts, and norms of heads, are stacked.
        module, part = re.sub(r"\.norms\.\d+|(?<=\.experts)\.\d+", "", name).rsplit(".", 1)
        return f"{self.names.get_name(module)}.{part}"

    def is_conv1d(self, name):
        """GGUF has such weights [out, in]."""
        module, part = name.rsplit(".", 1)
        try:
            return part == "weight" and isinstance(self.model.get_submodule(module), Conv1D)
        except AttributeError:
            # transformers itself keeps experts stacked.
            return False

    @property
    def is_gemma4(self):
        return self.config.model_type == "gemma4_text"

    def divisors(self):
        """Of the frequencies of the rotary embedding, where a file has them: by the name of their tensor."""
        return {"rope_freqs.weight": gemma4_divisors(self.config)} if self.is_gemma4 else {}

    def of_layers(self, heads):
        """Heads of keys, of each layer where some have none."""
        kinds = getattr(self.config, "layer_types", None) or []
        return [0 if kind == "conv" else heads for kind in kinds] if "conv" in kinds else heads

    def settings(self):
        """The key, transformers' name and the value of all that a file says by the config's numbers."""
        # What the class itself knows: a config keeps strange names too.
        known = type(self.config)()
        own = gemma4_settings(self.config) if self.is_gemma4 else {}
        yield from ((key, "those of its layers", value) for key, value in own.items() if value is not None)
        said = set(own)
        for key, theirs in KEYS:
            if key in own:
                continue
            value = getattr(self.config, theirs, None)
            # A window of 0 is none.
            if value is not None and hasattr(known, theirs) and (value or theirs != "sliding_window"):
                said.add(key)
                yield key, theirs, self.of_layers(value) if theirs == "num_key_value_heads" else value
        rope = getattr(self.config, "rope_parameters", None)
        if rope and "rope.dimension_count" not in said:
            factor = rope.get("full_attention", rope).get("partial_rotary_factor", 1.0)
            size = getattr(self.config, "head_dim", None) or self.config.hidden_size // self.config.num_attention_heads
            yield "rope.dimension_count", "numbers that turn", int(size * factor)
        if "feed_forward_length" not in said:
            yield "feed_forward_length", "4 hidden_size", 4 * self.config.hidden_size
