"""What gguf-py and transformers know of a model that stands in a GGUF file, whatever its architecture."""

import gguf
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

# Keys below the architecture's name, and transformers' names for them. A file has those that its
# config has.
KEYS = (
    ("context_length", "max_position_embeddings"), ("embedding_length", "hidden_size"),
    ("block_count", "num_hidden_layers"), ("feed_forward_length", "intermediate_size"),
    ("feed_forward_length", "n_inner"), ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"), ("attention.key_length", "head_dim"),
    ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    ("attention.layer_norm_epsilon", "layer_norm_epsilon"), ("attention.sliding_window", "sliding_window"),
    ("vocab_size", "vocab_size"), ("attn_logit_softcapping", "attn_logit_softcapping"),
    ("final_logit_softcapping", "final_logit_softcapping"), ("attention.scale", "attention_multiplier"),
    ("embedding_scale", "embedding_multiplier"), ("residual_scale", "residual_multiplier"),
    ("logit_scale", "logits_scaling"),
)


class GgufArchitecture:
    """
    `architecture` is llama.cpp's name; `heads` the number of heads of each tensor whose rows it has in pairs; `plus`
    what its numbers are larger by.
    """

    def __init__(self, folder, architecture, heads, plus):
        self.config = AutoConfig.from_pretrained(folder)
        with torch.device("meta"):
            self.model = AutoModelForCausalLM.from_config(self.config)
        (kind,) = (kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
        self.names = gguf.get_tensor_name_map(kind, self.config.num_hidden_layers)
        self.heads = heads
        self.plus = plus

    def file_name(self, name):
        module, part = name.rsplit(".", 1)
        return f"{self.names.get_name(module)}.{part}"

    def is_conv1d(self, name):
        """GGUF has such weights [out, in]."""
        module, part = name.rsplit(".", 1)
        return part == "weight" and isinstance(self.model.get_submodule(module), Conv1D)

    def settings(self):
        """The key, transformers' name and the value of all that a file says by the config's numbers."""
        # What the class itself knows: a config keeps strange names too.
        known = type(self.config)()
        said = set()
        for key, theirs in KEYS:
            value = getattr(self.config, theirs, None)
            if value is not None and hasattr(known, theirs):
                said.add(key)
                yield key, theirs, value
        if "feed_forward_length" not in said:
            yield "feed_forward_length", "4 hidden_size", 4 * self.config.hidden_size
