"""For each line on stdin it multiplies once in PyTorch, on one thread, and prints the milliseconds."""

import sys
import time

import torch

torch.set_num_threads(1)
n = int(sys.argv[1])
left, right = torch.rand(n, n) * 2 - 1, torch.rand(n, n) * 2 - 1
print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    torch.mm(left, right)
    print((time.perf_counter() - start) * 1000, flush=True)
