"""Prints how often libraries agree on the signs of singular vectors: python singular_signs.py [COUNT]

Compares PyTorch's SVD in float32, from which PEFT's PSOFT computes A and B, with NumPy's in float32 and with PyTorch's in
float64, on COUNT random weights (default: 1,000)."""

import sys

import numpy
import torch

count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
torch.manual_seed(0)
weights = [torch.randn(torch.randint(4, 65, (2,)).tolist()) * 0.05 for _ in range(count)]


def signs(decompose):
    """The weights whose vectors all have PyTorch's signs, and the vectors with other signs."""
    same, other, total = 0, 0, 0
    for weight in weights:
        expected = torch.linalg.svd(weight, full_matrices=False)[2].double()
        products = (expected * torch.as_tensor(decompose(weight)).double()).sum(1)
        same += bool((products > 0).all())
        other += int((products < 0).sum())
        total += len(products)
    return f"{same} of {count} weights have the same signs; {other} of {total} vectors have the opposite sign"


print("NumPy in float32:", signs(lambda weight: numpy.linalg.svd(weight.numpy(), full_matrices=False)[2]))
print("PyTorch in float64:", signs(lambda weight: torch.linalg.svd(weight.double(), full_matrices=False)[2]))
