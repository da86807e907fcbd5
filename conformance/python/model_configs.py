"""Writes configs as transformers reads them, for packages/models/src/config/pythonConfigs.gen.json."""

import json
import warnings

from transformers import CONFIG_MAPPING

warnings.filterwarnings("ignore")

TYPES = """llama mistral mixtral qwen2 qwen2_moe qwen3 gemma2 gemma3_text gemma4_text gpt2 gpt_neox granite lfm2 olmo2
phi3 smollm3 stablelm bert roberta distilbert modernbert deberta-v2""".split()

# Fields that no computation here depends on.
UNUSED = """transformers_version output_hidden_states return_dict dtype chunk_size_feed_forward is_encoder_decoder id2label
label2id problem_type initializer_range initializer_cutoff_factor use_cache is_decoder add_cross_attention _name_or_path
output_attentions architectures model_type pretraining_tp router_aux_loss_coef router_jitter_noise
output_router_logits use_bidirectional_attention summary_type summary_use_proj summary_activation
summary_proj_to_labels summary_first_dropout reorder_and_upcast_attn decoder_bias deterministic_flash_attn
sparse_prediction sparse_pred_ignore_index cls_token_id sep_token_id sinusoidal_pos_embds qa_dropout legacy
_sliding_window_pattern full_attn_idxs no_rope_layer_interval""".split()

LAYERS = [
    {"model_type": "qwen2", "num_hidden_layers": 5, "use_sliding_window": True, "max_window_layers": 2},
    {"model_type": "qwen3", "num_hidden_layers": 4, "use_sliding_window": True, "max_window_layers": 3},
    {"model_type": "qwen3", "num_hidden_layers": 4, "use_sliding_window": True, "max_window_layers": 4},
    {"model_type": "qwen2_moe", "num_hidden_layers": 6, "use_sliding_window": True, "max_window_layers": 3},
    {"model_type": "gemma2", "num_hidden_layers": 3},
    {"model_type": "gemma3_text", "num_hidden_layers": 7},
    {"model_type": "gemma3_text", "num_hidden_layers": 5, "sliding_window_pattern": 2},
    {"model_type": "gemma4_text", "num_hidden_layers": 8},
    {"model_type": "smollm3", "num_hidden_layers": 5},
    {"model_type": "smollm3", "num_hidden_layers": 5, "no_rope_layer_interval": 2},
    {
        "model_type": "smollm3",
        "num_hidden_layers": 5,
        "no_rope_layer_interval": 2,
        "use_sliding_window": True,
        "sliding_window": 6,
    },
    {"model_type": "lfm2", "num_hidden_layers": 4, "full_attn_idxs": [0, 2]},
    {"model_type": "lfm2", "block_ff_dim": 100, "tie_embedding": False},
    {"model_type": "modernbert", "num_hidden_layers": 7},
    {"model_type": "modernbert", "num_hidden_layers": 5, "global_attn_every_n_layers": 2},
    {"model_type": "gpt_neox", "rotary_pct": 0.5, "rotary_emb_base": 500},
]


def read(given):
    config = CONFIG_MAPPING[given["model_type"]](**{k: v for k, v in given.items() if k != "model_type"})
    fields = {key: value for key, value in config.to_dict().items() if key not in UNUSED}
    return {"given": given, "found": dict(sorted(fields.items()))}


print(json.dumps([read(given) for given in [{"model_type": name} for name in TYPES] + LAYERS], indent=1))
