"""What bitsandbytes makes of weights: 4-bit codes with their states, 8-bit blocks, and the tables of its codes."""

import base64

import numpy as np
import torch


def as_entries(tensors):
    """Tensors as dtype, shape and bytes in base64."""
    return {
        name: {
            "dtype": {torch.uint8: "u8", torch.float32: "f32"}[t.dtype],
            "shape": list(t.shape),
            "data": base64.b64encode(t.contiguous().numpy().tobytes()).decode(),
        }
        for name, t in tensors.items()
    }


def as_weight(data, shape, dtype):
    values = np.frombuffer(base64.b64decode(data), np.float32).reshape(shape)
    return torch.from_numpy(values.copy()).to(getattr(torch, dtype))


def quantize_weight(data, shape, dtype, quant_type, blocksize, double_quant):
    """A weight's entries in a checkpoint, and its scales before they are nested."""
    import bitsandbytes.functional as bnb

    weight = as_weight(data, shape, dtype)
    how = {"blocksize": blocksize, "quant_type": quant_type}
    packed, state = bnb.quantize_4bit(weight, compress_statistics=double_quant, **how)
    _, plain = bnb.quantize_4bit(weight, **how)
    entries = {f"weight.{key}": value for key, value in state.as_dict(packed=True).items()}
    return as_entries({"weight": packed, **entries, "scales": plain.absmax})


def quantize_blocks(data, shape, blocksize, signed):
    """Codes, scales and the code's table of 8-bit blocks."""
    import bitsandbytes.functional as bnb

    code = bnb.create_dynamic_map(signed=signed)
    codes, state = bnb.quantize_blockwise(as_weight(data, shape, "float32"), code=code, blocksize=blocksize)
    return as_entries({"codes": codes, "absmax": state.absmax, "code": code})
