"""Writes what PEFT counts and saves for random adapters: python adapter_sizes.py > packages/lowrank/src/report/adapterSizes.gen.json

Not drawn, since PEFT does otherwise there than its configuration says: BOFT with several butterflies (one without CUDA),
DeLoRA beside trained modules named "norm" (it takes its own lengths for them). Nor an embedding that is adapted twice.
"""

import json
import os
import random
import sys
import tempfile
import warnings

import peft
import psoft_files  # noqa: F401 (singular vectors in files)
import torch
import transformers
from peft import PeftConfig, get_peft_model
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers import BertConfig, GPT2Config, LlamaConfig, RobertaConfig

draw = random.Random(5)
pick, sample = draw.choice, draw.sample
chance = lambda p: draw.random() < p
sizes = lambda: pick([1, 2, 3, 4, 8])
dtypes = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

MODULES = {
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "gpt2": ["c_attn", "attn.c_proj", "c_fc", "mlp.c_proj", "c_proj"],
    "bert": ["query", "key", "value", "attention.output.dense", "intermediate.dense", "dense"],
}
EXPRESSIONS = {"llama": r".*\.(q|up)_proj", "gpt2": r".*c_(attn|fc)", "bert": r".*\.layer\.0\..*(query|dense)"}
WHOLE = {
    "llama": ["lm_head", "embed_tokens", "norm", "input_layernorm"],
    "gpt2": ["wte", "ln_f", "ln_1"],
    "bert": ["classifier", "LayerNorm", "word_embeddings"],
}
TABLES = {"llama": "embed_tokens", "gpt2": "wte", "bert": "word_embeddings"}
NORMS = {"llama": ["norm", "input_layernorm"], "gpt2": ["ln_1", "ln_f"], "bert": ["LayerNorm", "output.LayerNorm"]}
OWN_BIASES = {
    "LORA": "lora_only", "ADALORA": "lora_only", "BOFT": "boft_only", "DELORA": "delora_only", "FOURIERFT": "fourier_only",
    "GLORA": "glora_only", "GRALORA": "gralora_only", "HRA": "hra_only", "MISS": "MiSS_only", "OFT": "oft_only", "RANDLORA": "randlora_only",
    "VBLORA": "vblora_only", "VERA": "vera_only", "WAVEFT": "waveft_only", "C3A": "c3a_only", "PVERA": "pvera_only",
    "DEFT": "deft_only", "UNILORA": "unilora_only", "TINYLORA": "tinylora_only", "FROD": "frod_only",
}
METHODS = (
    "LORA LORA LORA ADALORA ADAPTION_PROMPT BOFT DELORA FOURIERFT GLORA GRALORA HIRA HRA IA3 LILY LN_TUNING LOHA LOKR MISS OFT "
    "PREFIX_TUNING PROMPT_TUNING P_TUNING RANDLORA SHIRA VBLORA VERA WAVEFT C3A ROAD BEFT TRAINABLE_TOKENS OSF PVERA DEFT PEANUT"
    " SUPERTUNING FROD MULTITASK_PROMPT_TUNING POLY CARTRIDGE UNILORA CPT TINYLORA SHADOW PSOFT"
).split()


def base(kind):
    heads, width, layers = pick([1, 2, 4]), pick([4, 8]), pick([1, 2])
    common = {"model_type": kind, "vocab_size": pick([30, 97]), "num_attention_heads": heads, "num_hidden_layers": layers,
              "hidden_size": heads * width, "max_position_embeddings": 64, "pad_token_id": 0}
    if kind == "llama":
        keys = pick([n for n in (1, 2, 4) if heads % n == 0])
        biases, tied = {"attention_bias": chance(0.3), "mlp_bias": chance(0.3)}, {"tie_word_embeddings": chance(0.5)}
        fields = {**common, "intermediate_size": pick([12, 24]), "num_key_value_heads": keys, **biases, **tied}
        if chance(0.25):
            head = {"num_labels": pick([1, 3]), "architectures": ["LlamaForSequenceClassification"]}
            return LlamaConfig, AutoModelForSequenceClassification, {**fields, **head}
        return LlamaConfig, AutoModelForCausalLM, {**fields, "architectures": ["LlamaForCausalLM"]}
    if kind == "gpt2":
        fields = {"model_type": kind, "vocab_size": common["vocab_size"], "n_embd": heads * width, "n_head": heads,
                  "n_layer": layers, "n_positions": 64, "pad_token_id": 0}
        if chance(0.3):
            head = {"num_labels": pick([1, 3]), "architectures": ["GPT2ForSequenceClassification"]}
            return GPT2Config, AutoModelForSequenceClassification, {**fields, **head}
        return GPT2Config, AutoModelForCausalLM, {**fields, "architectures": ["GPT2LMHeadModel"]}
    fields = {**common, "intermediate_size": pick([12, 24]), "type_vocab_size": pick([1, 2])}
    make, name = (BertConfig, "Bert") if kind == "bert" else (RobertaConfig, "Roberta")
    if chance(0.2):
        return make, AutoModel, {**fields, "architectures": [f"{name}Model"]}
    head = {"num_labels": pick([1, 2, 5]), "architectures": [f"{name}ForSequenceClassification"]}
    return make, AutoModelForSequenceClassification, {**fields, **head}


def prompt(method):
    yield "num_virtual_tokens", pick([1, 3, 10])
    if method == "PREFIX_TUNING" and chance(0.4):
        yield from {"prefix_projection": True, "encoder_hidden_size": pick([6, 10])}.items()
    if method == "MULTITASK_PROMPT_TUNING":
        yield from {"num_tasks": pick([1, 3]), "num_ranks": pick([1, 2])}.items()
    if method == "CARTRIDGE":
        yield "num_frozen_tokens", pick([0, 1])
    if method == "P_TUNING":
        yield "encoder_hidden_size", pick([6, 10])
        if chance(0.5):
            yield from {"encoder_reparameterization_type": "LSTM", "encoder_num_layers": pick([1, 2])}.items()


def options(method, names):
    """The method's own options."""
    pattern = lambda: {pick(names): sizes()}
    if method in ("LORA", "DELORA", "HIRA", "LOHA", "LOKR", "RANDLORA"):
        yield "r", sizes()
    if method == "LORA":
        yield from pick([{"use_dora": True}, {"lora_bias": True}, {"use_rslora": True}, {}]).items()
        yield from pick([{"rank_pattern": pattern()}, {"alpha_pattern": pattern()}, {}]).items()
        if chance(0.25):
            yield "trainable_token_indices", [1, 2, 5]
    if method in ("DELORA", "LOHA", "LOKR") and chance(0.3):
        yield "rank_pattern", pattern()
    own = {
        "ADALORA": lambda: {"init_r": pick([4, 8]), "target_r": 2, "total_step": 100, "tinit": 10, "tfinal": 20},
        "BOFT": lambda: pick([{"boft_block_size": pick([2, 4])}, {"boft_block_size": 0, "boft_block_num": pick([1, 2])}]),
        "FOURIERFT": lambda: {"n_frequency": pick([1, 16]), "n_frequency_pattern": {pick(names): 7}},
        "GLORA": lambda: {"r": pick([2, 8]), "config_A_B": pick(["lora", "vector", "constant", "none"])},
        "C3A": lambda: {"block_size": pick([1, 2]), "block_size_pattern": {pick(names): 1}},
        "ROAD": lambda: {"variant": pick(["road_1", "road_2", "road_4"]), "group_size": pick([2, 4])},
        "TRAINABLE_TOKENS": lambda: {"token_indices": sample(range(30), pick([1, 3]))},
        "OSF": lambda: pick([{}, {"effective_rank": pick([3, 0.3])}, {"rank_pattern": {pick(names): 0.75}}]),
        "GRALORA": lambda: {"r": pick([2, 8]), "gralora_k": pick([1, 2]), "hybrid_r": pick([0, 2])},
        "HRA": lambda: {"r": pick([2, 4])},
        "POLY": lambda: {"r": sizes(), "n_tasks": pick([1, 3]), "n_skills": pick([1, 4]), "n_splits": pick([1, 2])},
        "LILY": lambda: {"r": sizes(), "stride_A": pick([1, 2]), "num_B": pick([2, 3])},
        "LOKR": lambda: {"decompose_both": chance(0.5), "decompose_factor": pick([-1, 2, 4])},
        "MISS": lambda: {"r": pick([1, 2]), **pick([{}, {"init_weights": "bat"}, {"init_weights": "mini", "mini_r": 1}])},
        "OFT": lambda: {**pick([{"r": 2, "oft_block_size": 0}, {"oft_block_size": 4}]), "block_share": chance(0.5)},
        "WAVEFT": lambda: {"n_frequency": pick([1, 16]), **pick([{}, {"proportional_parameters": True}, {"use_idwt": False}])},
        "SHIRA": lambda: {"r": 1, **pick([{}, {"random_seed": 3}])},
        "VBLORA": lambda: {"r": sizes(), "vector_length": pick([1, 4]), "num_vectors": 9, "save_only_topk_weights": chance(0.5)},
        "DEFT": lambda: {"r": sizes(), "para": chance(0.3), "decomposition_method": pick(["relu", "qr"])},
        "PEANUT": lambda: {"r": sizes(), "depth": pick([0, 2])},
        "SUPERTUNING": lambda: {"sparsity": pick([0.5, 0.9]), **pick([{}, {"r": 2}, {"save_precomputed_indices": False}])},
        "FROD": lambda: {"sparse_rate": pick([0, 0.1, 1])},
        "PSOFT": lambda: {"r": pick([1, 4]), **pick([{}, {"psoft_orth": False}, {"psoft_mag_a": False}, {"psoft_mag_b": False}])},
        "PVERA": lambda: {"r": pick([2, 256]), "save_projection": chance(0.5)},
        "TINYLORA": lambda: {"r": pick([2, 40]), "u": pick([1, 64]), "weight_tying": pick([0, 0.5, 1]), "save_projection": chance(0.5)},
        "UNILORA": lambda: {"r": sizes(), "theta_d_length": pick([8, 300])},
        "VERA": lambda: {"r": pick([2, 256]), "save_projection": chance(0.5)},
    }
    yield from own.get(method, dict)().items()


def adapter(method, kind, model, layers):
    fields = {"peft_type": method}
    if model is AutoModelForSequenceClassification:
        fields["task_type"] = "SEQ_CLS"
    elif model is AutoModel:
        fields["task_type"] = "FEATURE_EXTRACTION"
    else:
        fields["task_type"] = "CAUSAL_LM"
    if method == "CARTRIDGE" or method.endswith("_TUNING") and method != "LN_TUNING":
        return {**fields, **dict(prompt(method))}
    if method == "CPT":
        types = pick([[1], [1, 2, 3, 4], [4, 2, 2]])
        return {**fields, "cpt_token_ids": [3] * len(types), "cpt_tokens_type_mask": types}
    if method == "SHADOW":
        sizes_of = pick([{}, {"shadow_hidden_size": 16, "shadow_num_attention_heads": 4}, {"shadow_num_hidden_layers": 2}])
        more = pick([{}, {"share_embeddings": False}, {"modules_to_save": ["lm_head"]}, {"update_hidden_size": 3}])
        return {**fields, "r": sizes(), **sizes_of, **more}
    if method == "ADAPTION_PROMPT":
        return {**fields, "adapter_len": pick([1, 10]), "adapter_layers": pick([1, layers])}
    names = MODULES[kind]
    if method == "TRAINABLE_TOKENS":
        return {**fields, **dict(options(method, names))}
    if method == "LN_TUNING":
        fields.update(pick([{}, {"target_modules": sample(NORMS[kind], 1)}]) if kind != "bert" else {"target_modules": NORMS[kind]})
    else:
        chosen = [None, sample(names, 2), sample(names, 3), "all-linear", EXPRESSIONS[kind], "table" if method in ("LORA", "TINYLORA") else None]
        targets = pick(chosen)
        if targets == "table":
            targets = [names[0], TABLES[kind]]
        if targets is not None:
            fields["target_modules"] = targets
        if method == "IA3" and isinstance(targets, list):
            fields["feedforward_modules"] = targets[:1]
        if isinstance(targets, list) and method not in ("IA3", "ADALORA", "ROAD", "BEFT", "OSF", "SUPERTUNING", "POLY") and chance(0.3):
            fields["layers_to_transform"] = [draw.randrange(layers)]
    if chance(0.3):
        whole = [name for name in WHOLE[kind] if method != "DELORA" or "norm" not in name]
        fields["modules_to_save"] = sample(whole, pick([1, 2]))
    if method in OWN_BIASES and chance(0.35):
        fields["bias"] = pick(["all", OWN_BIASES[method]])
    chosen = {**fields, **dict(options(method, names))}
    if TABLES[kind] in [*fields.get("modules_to_save", []), *fields.get("target_modules", [])]:
        chosen.pop("trainable_token_indices", None)
    return chosen


def measured(make, model, fields, dtype, adapter_fields):
    """Parameters that train, all, and the length of the file; None where PEFT refuses."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "adapter_config.json"), "w") as file:
            json.dump(adapter_fields, file)
        try:
            bare = {key: value for key, value in fields.items() if key != "model_type"}
            on = model.from_config(make(**bare), dtype=dtypes[dtype]).to(dtypes[dtype])
            adapted = get_peft_model(on, PeftConfig.from_pretrained(folder))
            trainable, total = adapted.get_nb_trainable_parameters()
            adapted.save_pretrained(folder)
        except (ValueError, TypeError, AttributeError, KeyError, NotImplementedError, RuntimeError) as error:
            print(f"not taken: {adapter_fields}: {str(error)[:100]}", file=sys.stderr)
            return None
        return [trainable, total, os.path.getsize(os.path.join(folder, "adapter_model.safetensors"))]


def cases():
    for method in METHODS:
        for kind in ("llama", "gpt2", "bert", "roberta"):
            for _ in range(10):
                make, model, fields = base(kind)
                dtype = pick(list(dtypes))
                names = "bert" if kind == "roberta" else kind
                chosen = adapter(method, names, model, fields.get("num_hidden_layers", fields.get("n_layer")))
                found = measured(make, model, fields, dtype, chosen)
                if found:
                    # PEFT's OSF skips Conv1D without a word; Lowrank gives an error.
                    if method != "OSF" or kind != "gpt2":
                        yield {"base": {**fields, "dtype": dtype}, "adapter": chosen, "peft": found}
                    break


warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
torch.manual_seed(0)
versions = {m.__name__: m.__version__ for m in (torch, transformers, peft)}
lines = ",\n".join(json.dumps(case) for case in cases())
print(f'{{"versions": {json.dumps(versions)}, "cases": [\n{lines}\n]}}')
