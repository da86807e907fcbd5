"""What llama.cpp's converter says of a Gemma 4, whose layers differ."""

import numpy as np


def of_layers(values):
    """One number, or one for each layer where they differ."""
    return values if len(set(values)) > 1 else values[0]


def gemma4_settings(config):
    """Values by key, None for what the model has not."""
    layers = [config.per_layer_config[i] for i in range(config.num_hidden_layers)]
    full = layers[config.layer_types.index("full_attention")].head_dim
    windowed = next((layers[i].head_dim for i, kind in enumerate(config.layer_types) if "sliding" in kind), full)
    own = config.num_hidden_layers - config.num_kv_shared_layers
    widths = [config.intermediate_size * (1 + (config.use_double_wide_mlp and i >= own)) for i in range(len(layers))]
    experts = config.enable_moe_block
    return {
        "feed_forward_length": of_layers(widths),
        "attention.head_count_kv": of_layers([layer.num_key_value_heads for layer in layers]),
        **dict.fromkeys(("attention.key_length", "attention.value_length", "rope.dimension_count"), full),
        **dict.fromkeys(("attention.key_length_swa", "attention.value_length_swa", "rope.dimension_count_swa"), windowed),
        "rope.freq_base_swa": config.rope_parameters["sliding_attention"]["rope_theta"],
        "attention.sliding_window_pattern": [kind == "sliding_attention" for kind in config.layer_types],
        "attention.shared_kv_layers": config.num_kv_shared_layers,
        "embedding_length_per_layer_input": config.hidden_size_per_layer_input,
        "expert_count": config.num_experts if experts else None,
        "expert_used_count": config.top_k_experts if experts else None,
        "expert_feed_forward_length": config.moe_intermediate_size if experts else None,
    }


def gemma4_divisors(config):
    """Of the frequencies of layers that see all positions: those of the first part turn."""
    size = gemma4_settings(config)["rope.dimension_count"]
    turning = int(size * config.rope_parameters["full_attention"]["partial_rotary_factor"] / 2)
    return np.float32([1.0] * turning + [1e30] * (size // 2 - turning))
