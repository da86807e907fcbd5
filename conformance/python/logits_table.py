"""Writes logits of small models by transformers, for packages/models/src/tests/pythonLogits.gen.json."""

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, AutoModelForSequenceClassification

warnings.filterwarnings("ignore")

SIZES = {
    "vocab_size": 13,
    "hidden_size": 16,
    "intermediate_size": 20,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
GPT2 = {"vocab_size": 13, "n_embd": 16, "n_layer": 3, "n_head": 4, "n_positions": 32, "bos_token_id": 1, "eos_token_id": 2}
ROPE = {"rope_theta": 100.0, "original_max_position_embeddings": 4}
FULL, SLIDING = "full_attention", "sliding_attention"
GEMMA4 = {
    "head_dim": 8,
    "global_head_dim": 12,
    "num_hidden_layers": 4,
    "layer_types": [SLIDING, FULL, SLIDING, FULL],
    "sliding_window": 3,
    "hidden_size_per_layer_input": 0,
    "vocab_size_per_layer_input": 13,
}
CAUSAL = [
    {"model_type": "llama"},
    {"model_type": "llama", "attention_bias": True, "mlp_bias": True, "hidden_act": "gelu", "tie_word_embeddings": True, "head_dim": 6},
    {"model_type": "llama", "rope_parameters": {**ROPE, "rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 2.0}},
    {"model_type": "llama", "rope_parameters": {**ROPE, "rope_type": "yarn", "factor": 3.0}},
    {"model_type": "llama", "rope_parameters": {"rope_theta": 100.0, "rope_type": "linear", "factor": 3.0}},
    {"model_type": "mistral", "sliding_window": 3},
    {"model_type": "mistral", "sliding_window": None},
    {"model_type": "mixtral", "num_local_experts": 3, "num_experts_per_tok": 2, "sliding_window": 3},
    {"model_type": "qwen2"},
    {"model_type": "qwen2", "use_sliding_window": True, "max_window_layers": 1, "sliding_window": 3},
    {"model_type": "qwen2_moe", "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 6, "shared_expert_intermediate_size": 10},
    {"model_type": "qwen2_moe", "num_experts": 4, "num_experts_per_tok": 3, "moe_intermediate_size": 6, "shared_expert_intermediate_size": 10, "norm_topk_prob": True, "decoder_sparse_step": 2, "qkv_bias": False},
    {"model_type": "qwen2_moe", "num_experts": 4, "num_experts_per_tok": 1, "moe_intermediate_size": 6, "shared_expert_intermediate_size": 10, "mlp_only_layers": [1]},
    {"model_type": "qwen3", "head_dim": 6},
    {"model_type": "qwen3", "head_dim": 6, "attention_bias": True, "use_sliding_window": True, "max_window_layers": 2, "sliding_window": 2},
    {"model_type": "gemma2", "head_dim": 6, "sliding_window": 3, "query_pre_attn_scalar": 9, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0},
    {"model_type": "gemma2", "head_dim": 6, "attn_logit_softcapping": None, "final_logit_softcapping": None, "attention_bias": True},
    {"model_type": "gemma3_text", "head_dim": 6, "sliding_window": 3, "sliding_window_pattern": 2, "query_pre_attn_scalar": 9},
    {"model_type": "gemma4_text", **GEMMA4},
    {"model_type": "gemma4_text", **GEMMA4, "hidden_size_per_layer_input": 6, "num_kv_shared_layers": 2, "use_double_wide_mlp": True, "final_logit_softcapping": 3.0},
    {"model_type": "gemma4_text", **GEMMA4, "enable_moe_block": True, "num_experts": 3, "top_k_experts": 2, "moe_intermediate_size": 5, "attention_k_eq_v": True, "num_global_key_value_heads": 1},
    {"model_type": "gpt2"},
    {"model_type": "gpt2", "scale_attn_by_inverse_layer_idx": True, "n_inner": 24, "activation_function": "relu"},
    {"model_type": "gpt2", "scale_attn_weights": False, "tie_word_embeddings": False},
    {"model_type": "gpt_neox", "rotary_pct": 0.5},
    {"model_type": "gpt_neox", "rotary_pct": 1.0, "use_parallel_residual": False, "attention_bias": False},
    {"model_type": "granite", "attention_multiplier": 0.4, "embedding_multiplier": 3.0, "residual_multiplier": 0.6, "logits_scaling": 2.0},
    {"model_type": "granite", "attention_bias": True, "mlp_bias": True},
    {"model_type": "lfm2", "full_attn_idxs": [1], "block_multiple_of": 4, "conv_L_cache": 3},
    {"model_type": "lfm2", "layer_types": ["conv", FULL, "conv"], "conv_bias": True, "conv_L_cache": 4, "block_auto_adjust_ff_dim": False},
    {"model_type": "olmo2"},
    {"model_type": "olmo2", "attention_bias": True},
    {"model_type": "phi3", "sliding_window": 3},
    {"model_type": "phi3", "original_max_position_embeddings": 16, "rope_parameters": {"rope_theta": 100.0, "rope_type": "longrope", "short_factor": [1.0, 1.5], "long_factor": [2.0, 3.0]}},
    {"model_type": "smollm3", "no_rope_layer_interval": 2},
    {"model_type": "smollm3", "no_rope_layer_interval": 2, "use_sliding_window": True, "sliding_window": 3, "attention_bias": True, "mlp_bias": True},
    {"model_type": "stablelm", "partial_rotary_factor": 0.5},
    {"model_type": "stablelm", "partial_rotary_factor": 1.0, "use_qkv_bias": True, "qk_layernorm": True, "use_parallel_residual": True},
]
DEBERTA = {"model_type": "deberta-v2", "type_vocab_size": 2, "pooler_hidden_size": 16}
CLASSES = [
    {"model_type": "bert"},
    {"model_type": "bert", "hidden_act": "relu", "num_labels": 3},
    {"model_type": "roberta", "type_vocab_size": 1},
    {"model_type": "distilbert", "dim": 16, "hidden_dim": 20, "n_layers": 2, "n_heads": 4},
    {"model_type": "modernbert", "local_attention": 4, "global_attn_every_n_layers": 2},
    {"model_type": "modernbert", "local_attention": 2, "classifier_pooling": "mean", "norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True},
    DEBERTA,
    {**DEBERTA, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "max_relative_positions": 6},
    {**DEBERTA, "relative_attention": True, "pos_att_type": ["c2p"], "position_buckets": 4, "norm_rel_ebd": "layer_norm", "share_att_key": True},
    {**DEBERTA, "relative_attention": True, "pos_att_type": ["p2c"], "position_buckets": 4, "position_biased_input": False, "conv_kernel_size": 3, "conv_act": "gelu"},
]
TEXT = [3, 7, 11, 5, 12, 4, 9, 6, 10, 8]


def filled(model, folder):
    """Fills a model's checkpoint with sines of the place of each name and of each element."""
    model.save_pretrained(folder)
    path = Path(folder) / "model.safetensors"
    weights = load_file(path)
    # Gemma 4's scalars of layers are buffers, of the place -1.
    names = sorted(name for name in weights if not name.endswith("layer_scalar"))
    for name in weights:
        place = names.index(name) if name in names else -1
        places = np.arange(weights[name].size, dtype=np.float64)
        values = (np.sin((places + place * 7) * 1.7 + 0.3) * 0.5).astype(np.float32)
        weights[name] = (values + np.float32(name.endswith("orm.weight"))).reshape(weights[name].shape)
    save_file(weights, path, metadata={"format": "pt"})
    found, info = type(model).from_pretrained(folder, output_loading_info=True, attn_implementation="eager", experts_implementation="eager", dtype=torch.float32)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    return found.eval(), names


def case(given, auto):
    base = GPT2 if given["model_type"] == "gpt2" else {k: v for k, v in SIZES.items() if given["model_type"] != "distilbert" or k not in ("hidden_size", "num_hidden_layers", "num_attention_heads")}
    fields = {**base, **given}
    config = CONFIG_MAPPING[given["model_type"]](**{k: v for k, v in fields.items() if k != "model_type"})
    with tempfile.TemporaryDirectory() as folder:
        model = auto.from_config(config)
        found = dict(model.named_parameters())
        elements = sum(x.numel() for x in found.values())
        # Parameters that start as ones, and as zeros.
        starts = [sum(bool((x == value).all()) for x in found.values()) for value in (1, 0)]
        model, names = filled(model, folder)
        with torch.no_grad():
            if auto is AutoModelForCausalLM:
                logits = model(input_ids=torch.tensor([TEXT])).logits[0]
            else:
                ids = torch.tensor([TEXT, [*TEXT[4:8], *[0] * 6]])
                mask = torch.tensor([[1] * 10, [1] * 4 + [0] * 6])
                logits = model(input_ids=ids, attention_mask=mask).logits
    return {"json": fields, "names": len(names), "elements": elements, "starts": starts, "logits": [float(f"{x:.6g}") for x in logits.flatten().tolist()]}


tables = {"text": TEXT, "causal": [case(given, AutoModelForCausalLM) for given in CAUSAL], "classes": [case(given, AutoModelForSequenceClassification) for given in CLASSES]}
lines = [f'"{kind}": [\n' + ",\n".join(map(json.dumps, tables[kind])) + "\n]" for kind in ("causal", "classes")]
print('{\n"text": ' + json.dumps(TEXT) + ",\n" + ",\n".join(lines) + "\n}")
