"""Writes what gguf-py reads in random blocks: python gguf_dequantize.py > packages/models/src/gguf/decodeBlocks.gen.json"""

import json

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize

# The offsets of a block's f16 numbers: its scales and minimums. They get values that real weights
# have, and special ones.
HALVES = {
    "F32": [], "F16": [], "BF16": [],
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}  # fmt: skip
SPECIAL = [0.0, -0.0, 6e-8, -65504.0, 1.5e-5, float("inf")]


def random_blocks(name, count, rng, special=SPECIAL):
    """Every byte at random; scales are normal numbers, and in the first blocks special ones."""
    _, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for at in HALVES[name]:
        scales = rng.normal(0, 0.05, count).astype(np.float16)
        scales[: len(special)] = special
        blocks[:, at : at + 2] = scales.view(np.uint8).reshape(count, 2)
    return blocks


def main():
    rng = np.random.default_rng(0)
    out = {}
    for name in HALVES:
        blocks = random_blocks(name, 256 if not HALVES[name] else 12, rng)
        with np.errstate(invalid="ignore", over="ignore"):
            values = dequantize(blocks, GGMLQuantizationType[name]).astype(np.float32)
        out[name] = {"blocks": blocks.tobytes().hex(), "values": values.tobytes().hex()}
    print(json.dumps(out))


if __name__ == "__main__":
    main()
