import type { Tensor } from "@lowrank/core";
import { adamStep, checkOptions } from "@lowrank/core/internal";
import { type Guard, Optimizer, type Params, type StateSpec, stateLike, type Update } from "./optimizer.ts";

/** Settings of `Adam` and `AdamW`. */
export interface AdamOptions {
  lr: number;
  betas: readonly [number, number];
  eps: number;
  weightDecay: number;
}

/** Throws unless both betas of every group are in [0, 1). */
export function checkBetas(optimizer: string, groups: readonly Pick<AdamOptions, "betas">[]): void {
  for (const { betas } of groups) {
    if (betas.every((beta) => beta >= 0 && beta < 1)) continue;
    throw new Error(`${optimizer}: betas are ${betas}; both must be at least 0 and below 1`);
  }
}

/**
 * Adam, as `torch.optim.Adam`: weight decay is added to the gradient. Kingma and Ba 2015,
 * https://arxiv.org/abs/1412.6980
 */
export class Adam extends Optimizer<AdamOptions> {
  /** True if weight decay shrinks the parameter directly instead of being added to the gradient. */
  protected readonly decoupled: boolean = false;

  /** Defaults: lr 1e-3, betas 0.9 and 0.999, eps 1e-8, weight decay 0. */
  constructor(params: Params<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super(params, { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 }, options);
    checkBetas("Adam", this.groups);
  }

  protected override stateSpecs(param: Tensor): Record<string, StateSpec> {
    return stateLike(param, "expAvg", "expAvgSq");
  }

  protected override update(
    updates: readonly Update[],
    step: number,
    { lr, betas: [beta1, beta2], eps, weightDecay }: AdamOptions,
    guard: Guard,
  ): void {
    const tensors = updates.flatMap(({ param, grad, state: { expAvg, expAvgSq } }) => [param, grad, expAvg, expAvgSq]);
    const settings = { lr, beta1, beta2, eps, weightDecay, step, decoupled: this.decoupled };
    adamStep(...tensors, ...guard.tensors, { ...settings, ...guard.params });
  }
}

/**
 * Adam with decoupled weight decay, as `torch.optim.AdamW`.
 * Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101
 */
export class AdamW extends Adam {
  protected override readonly decoupled: boolean = true;

  /** Defaults: lr 1e-3, betas 0.9 and 0.999, eps 1e-8, weight decay 0.01. */
  constructor(params: Params<AdamOptions>, options: Partial<AdamOptions> = {}) {
    checkOptions("AdamW", options, { lr: true, betas: true, eps: true, weightDecay: true });
    super(params, { weightDecay: 0.01, ...options });
  }
}
