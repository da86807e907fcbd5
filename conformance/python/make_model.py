"""A small random base model, written as a Hugging Face folder."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

KINDS = {"CAUSAL_LM": AutoModelForCausalLM, "SEQ_CLS": AutoModelForSequenceClassification}


def make_model(config, seed, out, dtype="float32", task="CAUSAL_LM"):
    """
    `config` holds `model_type` and that type's fields; vectors get noise too, so that no bias, norm or stored factor is
    idle. The files have `dtype`.
    """
    torch.manual_seed(seed)
    model = KINDS[task].from_config(AutoConfig.for_model(**config), dtype=torch.float32)
    with torch.no_grad():
        stored = model.state_dict()
        factors = [b for name, b in model.named_buffers() if name in stored and b.is_floating_point()]
        for vector in [*model.parameters(), *factors]:
            if vector.dim() == 1:
                vector += 0.1 * torch.randn_like(vector)
    model.to(getattr(torch, dtype)).save_pretrained(out)
    return {"parameters": sum(p.numel() for p in model.parameters())}
