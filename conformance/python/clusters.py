"""Writes AdaMSS's clusters of random weights: python clusters.py > packages/peft/src/methods/singular/clusters.gen.json"""

import json
import random
import warnings

import torch
from peft.tuners.adamss.utils import clustering_Z, slice_pca

warnings.simplefilter("ignore")
torch.set_num_threads(1)
draw = random.Random(3)
cases = []
while len(cases) < 40:
    m, n = draw.randint(6, 14), draw.randint(4, 14)
    r, k, seed = draw.randint(1, min(m - 1, n)), draw.randint(2, 6), draw.choice([0, draw.randint(0, 1000)])
    torch.manual_seed(len(cases))
    weight = 0.3 * torch.randn(m, n)
    _, u = slice_pca(weight[None, None], r, "cpu", random_seed=seed)
    labels, _ = clustering_Z(u[0, 0], k, 10)
    values = [float(f"{x:.9g}") for x in weight.flatten().tolist()]
    cases.append({"m": m, "n": n, "r": r, "k": k, "seed": seed, "w": values, "labels": labels.tolist()})
print(json.dumps({"cases": cases}, separators=(",", ":")))
