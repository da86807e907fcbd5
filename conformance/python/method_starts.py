"""Writes how PEFT's adapters start: python method_starts.py > packages/peft/src/methods/methodStarts.gen.json

For each tensor of an adapter on a layer: its shape, the root of its mean square, and its least and largest value.
"""

import json
import warnings

import peft
import psoft_files  # noqa: F401 (singular vectors in files)
import torch

warnings.simplefilter("ignore")
torch.set_num_threads(1)
wide = [96, 128]


class Net(torch.nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.e = torch.nn.Embedding(100, inputs)
        self.a = torch.nn.Linear(inputs, outputs)
        i = torch.arange(inputs * outputs, dtype=torch.float64)
        with torch.no_grad():
            self.a.weight.copy_(torch.sin(0.37 * i * i + 1.7 * i).float().reshape(outputs, inputs))
        self.config = {"model_type": "custom", "tie_word_embeddings": False}

    def forward(self, ids):
        return self.a(self.e(ids))


RANDOM = {"init_weights": False}
CASES = [
    ("LORA", {"r": 16}, wide),
    ("LORA", {"r": 16, "init_lora_weights": False}, wide),
    ("LORA", {"r": 16, "init_lora_weights": "gaussian"}, wide),
    ("LORA", {"r": 16, "init_lora_weights": "orthogonal"}, wide),
    ("LORA", {"r": 16, "target_modules": ["e"]}, wide),
    ("LORA", {"r": 16, "target_modules": ["e"], "init_lora_weights": "gaussian"}, wide),
    ("LORA", {"r": 16, "lora_bias": True, "init_lora_weights": False}, wide),
    ("ADALORA", {"init_r": 16, "total_step": 9}, wide),
    ("ADALORA", {"init_r": 16, "total_step": 9, "init_lora_weights": False}, wide),
    ("LOHA", {"r": 16}, wide),
    ("LOHA", {"r": 16, **RANDOM}, wide),
    ("LOKR", {"r": 4, "decompose_both": True, "decompose_factor": 8}, wide),
    ("LOKR", {"r": 4, **RANDOM}, wide),
    ("LOKR", {"r": 4, "init_weights": "lycoris"}, wide),
    ("VERA", {"r": 32}, wide),
    ("VERA", {"r": 700, **RANDOM, "d_initial": 0.3}, wide),
    ("MISS", {"r": 16}, wide),
    ("MISS", {"r": 16, **RANDOM}, wide),
    ("MISS", {"r": 16, "init_weights": "bat", "target_modules": ["a"]}, wide),
    ("MISS", {"r": 32, "init_weights": "mini", "mini_r": 32}, wide),
    ("HIRA", {"r": 16}, wide),
    ("HIRA", {"r": 16, **RANDOM}, wide),
    ("HIRA", {"r": 16, "init_weights": "gaussian"}, wide),
    ("HIRA", {"r": 16, "target_modules": ["e"]}, wide),
    ("HIRA", {"r": 16, "target_modules": ["e"], **RANDOM}, wide),
    ("DELORA", {"r": 16}, wide),
    ("DELORA", {"r": 16, **RANDOM}, wide),
    ("GRALORA", {"r": 16, "gralora_k": 4}, wide),
    ("GRALORA", {"r": 16, "gralora_k": 2, "hybrid_r": 8, **RANDOM}, wide),
    ("GRALORA", {"r": 16, "gralora_k": 2, "hybrid_r": 1}, wide),
    ("RANDLORA", {"r": 16}, wide),
    ("RANDLORA", {"r": 16, "sparse": True, **RANDOM}, wide),
    ("RANDLORA", {"r": 16, "very_sparse": True}, wide),
    ("RANDLORA", {"r": 10, **RANDOM}, [128, 96]),
    ("FOURIERFT", {"n_frequency": 900}, wide),
    ("FOURIERFT", {"n_frequency": 900, "init_weights": True}, wide),
    ("VBLORA", {"r": 16, "num_vectors": 90, "vector_length": 16}, wide),
    ("VBLORA", {"r": 16, "num_vectors": 90, "vector_length": 32, "init_logits_std": 0.5, "init_vector_bank_bound": 0.3}, wide),
    ("TINYLORA", {"r": 16, "u": 40}, wide),
    ("TINYLORA", {"r": 2, "u": 2000, "init_weights": "uniform", "init_v_bound": 0.3, "target_modules": ["e"]}, wide),
    ("UNILORA", {"r": 4, "theta_d_length": 5000, "init_theta_d_bound": 0.3}, wide),
    ("UNILORA", {"r": 16, "theta_d_length": 3000, **RANDOM}, wide),
    ("OFT", {"oft_block_size": 32}, wide),
    ("OFT", {"oft_block_size": 32, **RANDOM}, wide),
    ("OFT", {"oft_block_size": 0, "r": 4, **RANDOM}, wide),
    ("BOFT", {"boft_block_size": 16}, wide),
    ("BOFT", {"boft_block_size": 16, **RANDOM}, wide),
    ("HRA", {"r": 16}, wide),
    ("HRA", {"r": 16, **RANDOM}, wide),
    ("HRA", {"r": 15}, wide),
    ("IA3", {"feedforward_modules": []}, wide),
    ("IA3", {"feedforward_modules": ["a"], "init_ia3_weights": False}, [600, 900]),
    ("SHIRA", {"r": 4}, wide),
    ("SHIRA", {"r": 16, "random_seed": 3, **RANDOM}, wide),
    ("WAVEFT", {"n_frequency": 900}, wide),
    ("WAVEFT", {"n_frequency": 900, **RANDOM}, wide),
    ("GLORA", {"r": 16}, wide),
    ("GLORA", {"config_A_B": "vector", "config_C": "vector", "config_D_E": "vector", **RANDOM}, [600, 900]),
    ("LILY", {"r": 16, "num_B": 3}, wide),
    ("LILY", {"r": 16, "num_B": 3, **RANDOM}, wide),
    ("C3A", {"block_size": 16}, wide),
    ("C3A", {"block_size": 32, "init_weights": "gaussian"}, wide),
    ("C3A", {"block_size": 8, "init_weights": "kaiming_uniform"}, wide),
    ("C3A", {"block_size": 32, "init_weights": True}, wide),
    *[("ROAD", {"variant": f"road_{n}", "group_size": 32, **more}, [96, 640]) for n in (1, 2, 4) for more in ({}, RANDOM)],
    ("BEFT", {}, wide),
    ("OSF", RANDOM, wide),
    ("PSOFT", {"r": 64}, wide),
    ("PSOFT", {"r": 64, **RANDOM}, wide),
    ("PSOFT", {"r": 64, "psoft_orth": False, **RANDOM}, wide),
    ("FROD", {"sparse_rate": 0.3}, wide),
    ("FROD", RANDOM, wide),
    ("POLY", {"r": 16, "n_tasks": 40, "n_splits": 2}, wide),
    ("POLY", {"r": 16, "n_tasks": 40, "n_splits": 4, **RANDOM}, wide),
    ("BEFT", RANDOM, [96, 900]),
    ("TRAINABLE_TOKENS", {"token_indices": [3, 7], "target_modules": ["e"], **RANDOM}, [900, 8]),
    ("PVERA", {"r": 32}, wide),
    ("PVERA", {"r": 350, **RANDOM, "d_initial": 0.3}, wide),
    ("DEFT", {"r": 16, **RANDOM, "init_scale": 3.0}, wide),
    ("DEFT", {"r": 16, "para": True}, wide),
    ("DEFT", {"r": 16, "alpha": 4}, wide),
    ("PEANUT", {"r": 32, "depth": 1}, wide),
    ("PEANUT", {"r": 32, "depth": 2, **RANDOM}, wide),
    ("SUPERTUNING", {"sparsity": 0.8, "r": 16}, wide),
    ("SUPERTUNING", {"sparsity": 0.8, "r": 16, **RANDOM}, wide),
]
sides = [(6, 10), (12, 36), (37, 64), (100, 100), (128, 360), (250, 1), (72, 17)]
for factor in (-1, 2, 5, 8, 16):
    for r in (1, 3, 6, 9, 40):
        CASES += [("LOKR", {"r": r, "decompose_factor": factor, "decompose_both": both}, list(size)) for size in sides for both in (False, True)]


def start(kind, options, size):
    torch.manual_seed(0)
    config = peft.mapping.PEFT_TYPE_TO_CONFIG_MAPPING[kind](**{"target_modules": ["a"], **options})
    model = peft.get_peft_model(Net(*size), config)
    state = peft.get_peft_model_state_dict(model)
    short = lambda x: float(f"{float(x):.5g}")
    prefix = "base_model.model."
    tensors = {
        key.removeprefix(prefix): [list(t.shape), short(t.float().square().mean().sqrt()), short(t.min()), short(t.max())]
        for key, t in sorted(state.items())
    }
    return {"kind": kind, "options": options, "size": size, "tensors": tensors}


def sizes_alone(case):
    return case | {"tensors": {key: [shape] for key, (shape, *_) in case["tensors"].items()}}


first = CASES.index(("LOKR", {"r": 1, "decompose_factor": -1, "decompose_both": False}, [6, 10]))
cases = [start(*case) for case in CASES]
print(json.dumps({"starts": cases[:first], "sizes": [sizes_alone(case) for case in cases[first:]]}, separators=(",", ":")))
