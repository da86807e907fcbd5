"""Writes what PEFT's methods give on a small model: python method_layers.py > packages/peft/src/methods/methodLayers.gen.json

Value i of the k-th tensor is 0.4 sin(0.37 i² + 1.7 i + k + 1), so the file holds shapes and answers only. BOFT has one butterfly,
since PEFT computes several on CUDA only.
"""

import json
import os
import tempfile
import warnings

import base  # noqa: F401 (corrects faults of PEFT)
import peft
import torch
from transformers.activations import ACT2FN

warnings.simplefilter("ignore")
torch.set_num_threads(1)


def wave(shape, k, scale=0.4):
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (scale * torch.sin(0.37 * i * i + 1.7 * i + k + 1)).float().reshape(shape)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.e = torch.nn.Embedding(7, 12)
        self.a = torch.nn.Linear(12, 8)
        self.b = torch.nn.Linear(8, 6, bias=False)
        self.config = {"model_type": "custom", "tie_word_embeddings": False}
        with torch.no_grad():
            for k, parameter in enumerate(self.parameters()):
                parameter.copy_(wave(parameter.shape, 10 + k, 0.9))

    def forward(self, ids):
        return self.b(torch.tanh(self.a(self.e(ids))))


ids = torch.tensor([[1, 5, 3], [0, 6, 2]])
# Those of transformers without parameters.
PEANUT_ACTIVATIONS = sorted(set(ACT2FN) - {"prelu", "xielu"})
CASES = [
    ("LORA", {"r": 3, "lora_alpha": 5}),
    ("LORA", {"r": 4, "use_rslora": True, "lora_alpha": 3, "lora_bias": True}),
    ("LORA", {"r": 2, "use_dora": True, "rank_pattern": {"a": 3}, "alpha_pattern": {"b": 7}}),
    ("LORA", {"r": 2, "target_modules": ["e", "a"], "use_dora": True}),
    ("LORA", {"r": 2, "target_modules": ["e"]}),
    ("ADALORA", {"init_r": 5, "target_r": 2, "lora_alpha": 7, "total_step": 9}),
    ("LOHA", {"r": 2, "alpha": 3}),
    ("LOHA", {"r": 4, "alpha": 6, "rank_pattern": {"a": 3}, "alpha_pattern": {"b": 5}}),
    ("LOKR", {"r": 2, "alpha": 3}),
    ("LOKR", {"r": 1, "alpha": 4, "decompose_both": True, "decompose_factor": 2}),
    ("LOKR", {"r": 3, "alpha": 4, "decompose_factor": 3}),
    ("LOKR", {"r": 9, "alpha": 5}),
    ("IA3", {"feedforward_modules": ["b"]}),
    ("VERA", {"r": 5, "d_initial": 0.3}),
    ("MISS", {"r": 4}),
    ("MISS", {"r": 5}),
    ("MISS", {"r": 3}),
    ("MISS", {"r": 4, "init_weights": "bat", "target_modules": ["a"]}),
    ("MISS", {"r": 2, "init_weights": "mini", "mini_r": 2}),
    ("HIRA", {"r": 3}),
    ("HIRA", {"r": 2, "target_modules": ["e", "b"]}),
    ("DELORA", {"r": 3, "delora_lambda": 6}),
    ("DELORA", {"r": 2, "rank_pattern": {"a": 4}, "lambda_pattern": {"b": 2}}),
    ("GRALORA", {"r": 4, "alpha": 6, "gralora_k": 2}),
    ("GRALORA", {"r": 4, "alpha": 3, "gralora_k": 4, "hybrid_r": 3, "target_modules": ["a"]}),
    ("GRALORA", {"r": 3, "alpha": 5, "gralora_k": 1, "hybrid_r": 2}),
    ("RANDLORA", {"r": 2, "randlora_alpha": 7}),
    ("RANDLORA", {"r": 5, "randlora_alpha": 3, "projection_prng_key": 11}),
    ("FOURIERFT", {"n_frequency": 9, "scaling": 40.0, "random_loc_seed": 3}),
    ("FOURIERFT", {"n_frequency": 5, "scaling": 15.0, "n_frequency_pattern": {"b": 13}}),
    ("VBLORA", {"r": 3, "num_vectors": 7, "vector_length": 2, "topk": 2}),
    ("VBLORA", {"r": 2, "num_vectors": 9, "vector_length": 2, "topk": 3}),
    ("TINYLORA", {"r": 3, "u": 5}),
    ("TINYLORA", {"r": 2, "u": 4, "weight_tying": 1.0, "save_projection": False, "projection_seed": -3, "target_modules": ["e", "a", "b"]}),
    ("TINYLORA", {"r": 9, "u": 3, "weight_tying": 0.5, "save_projection": False, "target_modules": ["e", "b"]}),
    ("UNILORA", {"r": 3, "theta_d_length": 16}),
    ("UNILORA", {"r": 2, "theta_d_length": 100, "proj_seed": 2**40 + 3, "save_indices": True}),
    ("OFT", {"oft_block_size": 4, "use_cayley_neumann": False, "target_modules": ["a"]}),
    ("OFT", {"oft_block_size": 4, "use_cayley_neumann": True, "num_cayley_neumann_terms": 4, "target_modules": ["a"]}),
    ("OFT", {"oft_block_size": 2, "use_cayley_neumann": True, "num_cayley_neumann_terms": 1}),
    *[("OFT", {"oft_block_size": 4, "num_cayley_neumann_terms": n, "target_modules": ["b"]}) for n in (2, 3, 5, 6)],
    ("OFT", {"r": 2, "oft_block_size": 0, "use_cayley_neumann": False, "block_share": True}),
    ("OFT", {"oft_block_size": 4, "use_cayley_neumann": False, "coft": True, "eps": 0.2, "target_modules": ["b"]}),
    ("BOFT", {"boft_block_size": 4}),
    ("BOFT", {"boft_block_size": 2}),
    ("BOFT", {"boft_block_size": 0, "boft_block_num": 2}),
    ("HRA", {"r": 4, "init_weights": False}),
    ("HRA", {"r": 3, "apply_GS": True, "init_weights": False}),
    ("LN_TUNING", {"target_modules": ["a"]}),
    ("SHIRA", {"r": 2}),
    ("SHIRA", {"r": 1, "random_seed": 5}),
    ("WAVEFT", {"n_frequency": 9, "scaling": 4.0, "random_loc_seed": 3}),
    ("WAVEFT", {"n_frequency": 5, "scaling": 3.0, "n_frequency_pattern": {"b": 13}, "wavelet_family": "db2"}),
    ("WAVEFT", {"n_frequency": 20, "scaling": 3.0, "use_idwt": False}),
    ("WAVEFT", {"n_frequency": 30, "scaling": 3.0, "wavelet_family": "coif1", "proportional_parameters": True}),
    ("WAVEFT", {"n_frequency": 30, "scaling": 3.0, "wavelet_family": "sym4"}),
    ("WAVEFT", {"n_frequency": 30, "scaling": 3.0, "wavelet_family": "db5"}),
    ("GLORA", {"r": 3}),
    ("GLORA", {"r": 2, "config_A_B": "vector", "config_C": "vector", "config_D_E": "vector"}),
    ("GLORA", {"r": 2, "config_A_B": "constant", "config_C": "none", "config_D_E": "none"}),
    ("GLORA", {"r": 2, "config_A_B": "none"}),
    ("LILY", {"r": 3, "num_B": 2, "scaling": 2.0}),
    ("LILY", {"r": 4, "num_B": 3, "stride_A": 2}),
    ("C3A", {"block_size": 4, "target_modules": ["a"]}),
    ("C3A", {"block_size": 1, "block_size_pattern": {"b": 2}}),
    ("ROAD", {"group_size": 2}),
    ("ROAD", {"group_size": 4, "variant": "road_2", "target_modules": ["a"]}),
    ("ROAD", {"group_size": 8, "variant": "road_4", "target_modules": ["a"]}),
    ("ROAD", {"group_size": 6, "variant": "road_4", "target_modules": ["b"]}),
    ("BEFT", {}),
    ("OSF", {"effective_rank": 2}),
    ("OSF", {"rank_pattern": {"b": 0.9}}),
    ("ADAMSS", {"r": 4, "num_subspaces": 3, "subspace_rank": 2}),
    ("ADAMSS", {"r": 3, "num_subspaces": 2, "random_seed": 5, "target_modules": ["b"]}),
    ("PSOFT", {"r": 3}),
    ("PSOFT", {"r": 5, "psoft_alpha": 3, "ab_svd_init": "pissa_init", "psoft_mag_a": False, "target_modules": ["b"]}),
    ("PSOFT", {"r": 4, "psoft_svd": "lowrank", "psoft_svd_lowrank_niter": 1, "random_seed": 7, "psoft_orth": False}),
    ("PSOFT", {"r": 6, "use_cayley_neumann": True, "cayley_neumann_eps": 0.3, "psoft_mag_b": False}),
    ("PSOFT", {"r": 4, "use_cayley_neumann": True, "num_cayley_neumann_terms": 3, "target_modules": ["a"]}),
    ("FROD", {"sparse_rate": 0.2}),
    ("FROD", {"sparse_rate": 0, "target_modules": ["a"]}),
    ("TRAINABLE_TOKENS", {"token_indices": [5, 0], "target_modules": ["e"]}),
    ("POLY", {"r": 3, "n_tasks": 3}),
    ("POLY", {"r": 2, "n_tasks": 4, "n_skills": 3, "n_splits": 2}),
    ("PVERA", {"r": 5, "d_initial": 0.3}),
    ("PVERA", {"r": 3, "save_projection": False, "projection_prng_key": 4}),
    ("DEFT", {"r": 3}),
    ("DEFT", {"r": 7, "decomposition_method": "qr", "alpha": 5}),
    ("DEFT", {"r": 8, "decomposition_method": "qr", "target_modules": ["a"]}),
    ("DEFT", {"r": 2, "para": True}),
    ("DEFT", {"r": 2, "para": True, "decomposition_method": "qr"}),
    ("PEANUT", {"r": 3}),
    *[("PEANUT", {"r": 2, "depth": i % 3, "act_fn": name, "scaling": 2.0}) for i, name in enumerate(PEANUT_ACTIVATIONS)],
    ("SUPERTUNING", {"sparsity": 0.7}),
    ("SUPERTUNING", {"sparsity": 0.8, "select_top": False, "r": 2}),
    ("SUPERTUNING", {"sparsity": 0.6, "save_precomputed_indices": False, "r": 3, "lora_alpha": 4}),
    ("SUPERTUNING", {"sparsity": 0.6, "save_precomputed_indices": False, "select_top": False}),
    ("LORA", {"r": 3, "velora_config": {"num_groups": 5}, "lora_bias": True, "target_modules": ["a"]}),
    ("LORA", {"r": 3, "kasa_config": {}}),
    ("LORA", {"r": 2, "kasa_config": {"beta": 0.1}, "use_rslora": True, "init_lora_weights": "pissa"}),
    ("LORA", {"r": 3, "monteclora_config": {"num_samples": 4}, "lora_alpha": 5}),
]
# Methods that draw random values in training, on the last layer.
SAMPLED = [
    ("PVERA", {"r": 5, "target_modules": ["b"]}),
    ("POLY", {"r": 3, "n_tasks": 3, "n_skills": 3, "n_splits": 2, "target_modules": ["b"], "init_weights": False}),
    ("LORA", {"r": 3, "target_modules": ["b"], "monteclora_config": {"num_samples": 3, "sample_scaler": 0.3}}),
    ("LORA", {"r": 1, "target_modules": ["b"], "monteclora_config": {"num_samples": 1, "sample_scaler": 0.2}}),
]
# Methods that need the tasks of the rows.
TASKED = ["POLY"]
DRAWS = 4000


def filled_model(kind, options, scale=0.4):
    """An adapted model, the tensors of its file, which it was given, and its configuration's file."""
    torch.manual_seed(0)
    config = peft.mapping.PEFT_TYPE_TO_CONFIG_MAPPING[kind](**{"target_modules": ["a", "b"], **options})
    model = peft.get_peft_model(Net(), config).eval()
    state = peft.get_peft_model_state_dict(model)
    # Integers, such as SHiRA's positions, stay as they are.
    fill = lambda value, k: wave(value.shape, k, scale) if value.is_floating_point() else value
    filled = {key: fill(value, k) for k, (key, value) in enumerate(sorted(state.items()))}
    report = peft.set_peft_model_state_dict(model, dict(filled))
    assert not report.unexpected_keys, report
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        with open(os.path.join(folder, "adapter_config.json")) as file:
            written = json.load(file)
    return model, filled, written


def run(model, kind):
    """The outputs. A `PeftModel` without a task type passes no task ids on."""
    return model.base_model(ids, task_ids=torch.tensor([2, 0])) if kind in TASKED else model(ids)


def moments(kind, options):
    """Means and standard deviations of the outputs in training."""
    model, filled, written = filled_model(kind, options, 1.2)
    model.train()
    with torch.no_grad():
        drawn = torch.stack([run(model, kind).flatten() for _ in range(DRAWS)]).double()
    short = lambda values: [float(f"{x:.5g}") for x in values.tolist()]
    return {
        "name": f"{kind} {json.dumps(options)}",
        "config": written,
        "shapes": {key: list(value.shape) for key, value in filled.items()},
        "draws": DRAWS,
        "means": short(drawn.mean(0)),
        "deviations": short(drawn.std(0)),
    }


def answers(kind, options):
    model, filled, written = filled_model(kind, options)
    with torch.no_grad():
        out = run(model, kind).flatten().tolist()
    integers = {key: value.flatten().tolist() for key, value in sorted(filled.items()) if not value.is_floating_point()}
    return {
        "name": f"{kind} {json.dumps(options)}",
        "config": written,
        "shapes": {key: list(value.shape) for key, value in filled.items()},
        **({"integers": integers} if integers else {}),
        "out": [float(f"{x:.7g}") for x in out],
    }


found = []
for kind, options in CASES:
    found.append(answers(kind, options))
sampled = [moments(kind, options) for kind, options in SAMPLED]
print(json.dumps({"cases": found, "sampled": sampled}, separators=(",", ":")))
