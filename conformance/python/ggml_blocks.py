"""
Writes what ggml's reference quantiser makes of numbers in each K-type that Lowrank writes:
python ggml_blocks.py > packages/models/src/gguf/ggmlBlocks.gen.json
"""

import json
import sys

import numpy as np
from ggml_reference import TYPES, quantize


def blocks():
    """Blocks of 256 numbers that reach every branch: scales far apart, one sign only, zeros, constants, tiny and large numbers."""
    rng = np.random.default_rng(0)
    normal = rng.standard_normal((5, 256))
    groups = np.repeat(np.arange(8.0), 32)
    return np.array([
        normal[0] * 0.02, normal[1] * 10.0 ** (groups - 6), np.abs(normal[2]), -np.abs(normal[3]) - 1,
        np.where(groups % 3, normal[4], 0), np.where(groups < 4, 0.75, groups - 6), normal[0] * 1e-16 * 10.0**groups,
        normal[1] * 2.0**-24, np.round(normal[2] * 3), np.where(np.arange(256) == 77, 900.0, normal[3] * 0.01),
    ], dtype=np.float32)  # fmt: skip


def main():
    values = blocks()
    encoded = {name: quantize(values, name).tobytes().hex() for name in TYPES}
    json.dump({"values": values.tobytes().hex(), "encoded": encoded}, sys.stdout)


if __name__ == "__main__":
    main()
