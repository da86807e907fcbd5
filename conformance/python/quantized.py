"""Models in bitsandbytes' 4 bits, as transformers saves and loads them, and adapters on them."""

import torch
from base import as_batch, as_json, measure
from peft import PeftModel
from transformers import AutoModelForCausalLM, BitsAndBytesConfig


def widen_by_definition():
    """
    Linear4bit computes with the numbers that its codes mean, in float32: of the library's own kernels for a CPU some
    round to bfloat16, and which of them runs depends on the processor.
    """
    import bitsandbytes as bnb

    def forward(self, x):
        weight = bnb.functional.dequantize_4bit(self.weight.data, self.weight.quant_state)
        return torch.nn.functional.linear(x, weight, self.bias)

    bnb.nn.Linear4bit.forward = forward


def load(folder, **options):
    widen_by_definition()
    options |= {"dtype": torch.float32, "attn_implementation": "eager", "device_map": "cpu"}
    return AutoModelForCausalLM.from_pretrained(folder, **options).eval()


def quantize_model(base, out, quant_type, double_quant, inputs):
    """Quantises a folder's model while loading and saves it; its logits."""
    config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type=quant_type, bnb_4bit_use_double_quant=double_quant
    )
    model = load(base, quantization_config=config)
    model.save_pretrained(out)
    with torch.no_grad():
        return {"tensors": as_json({"logits": model(**as_batch(inputs)).logits})}


def apply_quantized(base, adapter, inputs):
    """A quantised folder with an adapter on it: logits, loss and gradients, and how many layers are in 4 bits."""
    import bitsandbytes as bnb

    model = load(base)
    layers = sum(isinstance(m, bnb.nn.Linear4bit) for m in model.modules())
    model = PeftModel.from_pretrained(model, adapter, is_trainable=True, torch_device="cpu").eval()
    return {"layers": layers, "tensors": as_json(measure(model, as_batch(inputs)))}
