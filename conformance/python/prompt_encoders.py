"""Writes what PEFT's prompt encoders make of their weights: python prompt_encoders.py > packages/peft/src/prompt/lstm.gen.json"""

import json
import sys

import torch
from peft import PromptEncoder, PromptEncoderConfig

torch.manual_seed(0)
config = PromptEncoderConfig(
    task_type="CAUSAL_LM",
    num_virtual_tokens=4,
    token_dim=3,
    num_layers=1,
    num_attention_heads=1,
    num_transformer_submodules=1,
    encoder_reparameterization_type="LSTM",
    encoder_hidden_size=2,
    encoder_num_layers=2,
)
encoder = PromptEncoder(config)
weights = torch.randn(4, 3)
rows = encoder(torch.arange(4).unsqueeze(0))[0]
(rows * weights).sum().backward()
values = lambda tensor: {"shape": list(tensor.shape), "data": tensor.detach().flatten().tolist()}
json.dump(
    {
        "parameters": {name: values(p) for name, p in encoder.named_parameters()},
        "weights": values(weights),
        "rows": values(rows),
        "gradients": {name: values(p.grad) for name, p in encoder.named_parameters()},
    },
    sys.stdout,
)
