"""
Writes what ggml's reference quantiser and gguf-py make of values in blocks, and the values of random blocks:
python packed_blocks.py > packages/core/src/packed/blocks.gen.json
"""

import base64
import json
import sys

import ggml_reference
import numpy as np
from gguf import GGMLQuantizationType, dequantize, quantize
from gguf_dequantize import random_blocks

NARROW = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
WIDE = ("Q4_K", "Q5_K", "Q6_K")


def blocks():
    """Blocks of 256 values: sizes far apart, one sign only, zeros, constants, ties, tiny and large values."""
    rng = np.random.default_rng(5)
    normal = rng.standard_normal((26, 256))
    at = np.arange(256)
    groups, halves = at // 32, at // 16
    one = np.where(at % 32 == 7, 1.0, 0.0)
    return np.array([
        *normal[:6] * np.array([[0.02], [1], [0.3], [7], [40], [0.1]]),
        normal[6] * 10.0 ** (groups - 6), normal[7] * 10.0 ** (halves - 12), np.abs(normal[8]), -np.abs(normal[9]) - 1,
        np.where(groups % 3, normal[10], 0), np.where(halves % 3, normal[11], 0),
        np.where(groups < 4, 0.75, groups - 6), np.where(halves % 2, -0.75, normal[12]),
        normal[13] * 1e-16 * 10.0**groups, normal[14] * 1e-15, normal[15] * 2.0**-24, normal[16] * 2.0**-16,
        np.round(normal[17] * 3), np.round(normal[18]), rng.integers(-8, 8, 256), rng.integers(0, 16, 256) / 2,
        np.where(at == 77, 900.0, normal[19] * 0.01), np.where(at % 2, 1.0, -1.0), np.where(at == 255, -3.0, 0),
        (groups + 1) * one, -(groups + 1) * one, normal[20] + 5, normal[21] * normal[22] ** 4, (at - 128) / 16,
        np.tile(normal[23][:16], 16) * np.where(halves % 2, 1, -1), np.tile(normal[24][:16], 16) * np.where(halves % 3, -1, 1),
        np.tile(normal[25][:32], 8) * np.where(groups % 2, -1, 1),
    ], dtype=np.float32)  # fmt: skip


def text(array):
    return base64.b64encode(array.tobytes()).decode()


def main():
    values = blocks()
    encoded = {name: text(quantize(values, GGMLQuantizationType[name])) for name in NARROW}
    encoded |= {name: text(ggml_reference.quantize(values, name)) for name in WIDE}
    rng = np.random.default_rng(6)
    decoded = {}
    for name in (*NARROW, *WIDE):
        some = random_blocks(name, 3 if name in WIDE else 12, rng, special=[])
        wide = dequantize(some, GGMLQuantizationType[name]).astype(np.float32)
        decoded[name] = {"blocks": text(some), "values": text(wide)}
    json.dump({"values": text(values), "encoded": encoded, "decoded": decoded}, sys.stdout)


if __name__ == "__main__":
    main()
