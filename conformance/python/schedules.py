"""Writes the factors of transformers' learning-rate schedules: python schedules.py > packages/nn/src/schedules/schedules.gen.json"""

import json
import sys

import torch
from transformers import optimization as o

LR = 2e-3
SIZES = [(0, 7), (1, 1), (1, 9), (3, 8), (4, 20), (5, 5)]
MOST = 24


def factors(make):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=LR)
    factor = make(optimizer).lr_lambdas[0]
    return [factor(step) for step in range(MOST)]


def main():
    cases = []

    def add(name, options, make):
        cases.append({"name": name, "options": options, "factors": factors(make)})

    for warm, total in SIZES:
        sizes = {"warmupSteps": warm, "totalSteps": total}
        add("constantWithWarmup", {"warmupSteps": warm}, lambda opt: o.get_constant_schedule_with_warmup(opt, warm))
        # Lowrank's line begins at 1 where the warm-up takes all steps.
        if total > warm:
            add("linear", sizes, lambda opt: o.get_linear_schedule_with_warmup(opt, warm, total))
        add("cosine", sizes, lambda opt: o.get_cosine_schedule_with_warmup(opt, warm, total))
        add("cosineWithRestarts", sizes, lambda opt: o.get_cosine_with_hard_restarts_schedule_with_warmup(opt, warm, total))
        add("inverseSqrt", {"warmupSteps": warm}, lambda opt: o.get_inverse_sqrt_schedule(opt, warm))
        for cycles in (0.25, 1, 1.5, 3):
            more = {**sizes, "cycles": cycles}
            add("cosine", more, lambda opt: o.get_cosine_schedule_with_warmup(opt, warm, total, cycles))
            make = o.get_cosine_with_hard_restarts_schedule_with_warmup
            add("cosineWithRestarts", more, lambda opt: make(opt, warm, total, cycles))
        for rate in (0.1, 0.5):
            more = {**sizes, "minLrRate": rate, "cycles": 1.25}
            make = o.get_cosine_with_min_lr_schedule_with_warmup
            add("cosine", more, lambda opt: make(opt, warm, total, 1.25, min_lr_rate=rate))
        # transformers divides by 0 where the warm-up takes all steps.
        for power, end in ((1, 1e-7), (2, 1e-4), (0.5, 1e-3)) if total > warm else ():
            more = {**sizes, "lr": LR, "lrEnd": end, "power": power}
            make = o.get_polynomial_decay_schedule_with_warmup
            add("polynomial", more, lambda opt: make(opt, warm, total, end, power))
        add("inverseSqrt", {"warmupSteps": warm, "timescale": 6}, lambda opt: o.get_inverse_sqrt_schedule(opt, warm, 6))
    json.dump(cases, sys.stdout)


if __name__ == "__main__":
    main()
