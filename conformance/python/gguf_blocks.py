"""
Writes what gguf-py makes of numbers in each type that Lowrank writes:
python gguf_blocks.py > packages/models/src/gguf/encodeBlocks.gen.json
"""

import json
import sys

import numpy as np
from gguf import GGMLQuantizationType, quants

TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]


def blocks():
    """Blocks of 32 numbers that reach every branch: ties, subnormal scales, one sign only, zeros, large numbers."""
    rng = np.random.default_rng(0)
    normal = rng.standard_normal((6, 32))
    integers = np.arange(32) - 16.0
    return np.array([
        *normal[:3] * [[1], [1e-3], [700]],
        # Halfway between two codes: 127 sets q8_0's step to one, 0 and 15 set q4_1's.
        np.concatenate([[127.0], np.arange(31) - 15.5]), np.concatenate([[0.0, 15.0], (np.arange(30) % 15) + 0.5]),
        # Scales that are subnormal as f16, halfway between two of them, or zero.
        normal[3] * 1e-6, integers * 127 * 2.0**-24 / 16, integers * 2.0**-25, normal[4] * 1e-12, normal[5] * 1e-30,
        np.abs(normal[0]), -np.abs(normal[1]), np.full(32, 0.75), np.full(32, -3.0), np.zeros(32),
        integers * 4000.0, np.where(np.arange(32) == 7, 1e-5, 0.0), np.where(np.arange(32) % 2, 1.0, -1.0),
    ], dtype=np.float32)


def main():
    values = blocks()
    encoded = {t: quants.quantize(values, GGMLQuantizationType[t]).view(np.uint8) for t in TYPES}
    json.dump(
        {"values": [float(v) for v in values.ravel()], "encoded": {t: e.tobytes().hex() for t, e in encoded.items()}},
        sys.stdout,
    )


if __name__ == "__main__":
    main()
