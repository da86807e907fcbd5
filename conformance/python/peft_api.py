"""Writes the names of PEFT's public API: python peft_api.py > tools/peftApi/peftNames.gen.json"""

import json

import peft
import peft.helpers
import peft.optimizers
from peft.tuners.tuners_utils import BaseTuner
from peft.utils import register_peft_method


def own(c):
    return sorted(name for name in vars(c) if not name.startswith("_"))


helpers = {
    name for name, m in vars(peft.helpers).items() if getattr(m, "__module__", "") == "peft.helpers" and name[0] != "_"
}
groups = {
    "peft": sorted(peft.__all__),
    "peft.PeftModel": own(peft.PeftModel),
    "peft.PeftMixedModel": sorted(set(own(peft.PeftMixedModel)) - set(own(peft.PeftModel)) - set(own(BaseTuner))),
    "the tuner (peft_model.base_model)": sorted(set(own(BaseTuner)) - set(own(peft.PeftModel))),
    "peft.LoraModel": sorted(set(own(peft.LoraModel)) - set(own(BaseTuner))),
    "peft.AdaLoraModel": sorted(set(own(peft.AdaLoraModel)) - set(own(BaseTuner)) - set(own(peft.LoraModel))),
    "peft.XLoraModel": sorted(set(own(peft.XLoraModel)) - set(own(BaseTuner))),
    "peft.helpers": sorted(helpers - set(peft.__all__)),
    "peft.optimizers": sorted(peft.optimizers.__all__),
    "peft.utils": [register_peft_method.__name__],
    "peft.tuners.lora": ["reduce_intruder_dimension"],
}
print(json.dumps({"peft": peft.__version__, "groups": groups}, indent=1))
