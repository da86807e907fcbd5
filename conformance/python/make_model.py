"""A small random base model, written as a Hugging Face folder."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

KINDS = {"CAUSAL_LM": AutoModelForCausalLM, "SEQ_CLS": AutoModelForSequenceClassification}


def make_model(config, seed, out, dtype="float32", task="CAUSAL_LM"):
    """
    `config` holds `model_type` and that type's fields; vectors get noise too, so that no bias or norm is idle. The files
    have `dtype`.
    """
    torch.manual_seed(seed)
    model = KINDS[task].from_config(AutoConfig.for_model(**config), dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter += 0.1 * torch.randn_like(parameter)
    model.to(getattr(torch, dtype)).save_pretrained(out)
    return {"parameters": sum(p.numel() for p in model.parameters())}
