"""What PEFT's configurations are without any option."""

import dataclasses

from peft import PeftType
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.adaption_prompt.config import TRANSFORMERS_MODEL_CONFIG
from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING

# What all configurations hold besides, and what is never written.
APART = ("peft_type", "peft_version", "auto_mapping", "inference_mode", "runtime_config")


def default_of(field):
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def config_defaults(peft_type):
    """The default of every field that is a method's own, None where it must be given; and its targets by model type."""
    config = PEFT_TYPE_TO_CONFIG_MAPPING[peft_type]
    fields = {f.name: default_of(f) for f in dataclasses.fields(config) if f.name not in APART}
    if peft_type == "CPT":
        # Its constructor sets fields that are None.
        made = config(task_type="CAUSAL_LM")
        fields |= {name: getattr(made, name) for name in fields if name.startswith("cpt_") or name == "num_virtual_tokens"}
    if peft_type == "XLORA":
        fields |= {name: getattr(config(), name) for name in ("hidden_size", "adapters")}
    tuner = PEFT_TYPE_TO_TUNER_MAPPING.get(peft_type)
    targets = getattr(tuner, "target_module_mapping", {})
    if peft_type == "IA3":
        targets = TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING
    if peft_type == "ADAPTION_PROMPT":
        targets = {name: [kind.target_modules] for name, kind in TRANSFORMERS_MODEL_CONFIG.items()}
    return {"fields": fields, "targets": {name: modules for name, modules in targets.items()}}


def peft_methods():
    """The names of all methods that PEFT has."""
    return [peft_type.value for peft_type in PeftType]
