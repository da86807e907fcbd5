import type { Tensor } from "@lowrank/core";
import { adagradStep } from "@lowrank/core/internal";
import { type Guard, Optimizer, type Params, type StateSpec, stateLike, type Update } from "./optimizer.ts";

/** Settings of `Adagrad`. */
export interface AdagradOptions {
  lr: number;
  /** Decay of the learning rate: at step t it is lr / (1 + (t - 1) lrDecay). */
  lrDecay: number;
  weightDecay: number;
  eps: number;
}

/**
 * Adagrad, as `torch.optim.Adagrad`. Duchi et al. 2011, https://jmlr.org/papers/v12/duchi11a.html
 */
export class Adagrad extends Optimizer<AdagradOptions> {
  /** Defaults: lr 0.01, no decay, eps 1e-10. */
  constructor(params: Params<AdagradOptions>, options: Partial<AdagradOptions> = {}) {
    super(params, { lr: 0.01, lrDecay: 0, weightDecay: 0, eps: 1e-10 }, options);
  }

  protected override stateSpecs(param: Tensor): Record<string, StateSpec> {
    return stateLike(param, "sum");
  }

  protected override update(
    updates: readonly Update[],
    step: number,
    { lr, lrDecay, weightDecay, eps }: AdagradOptions,
    guard: Guard,
  ): void {
    const settings = { lr: lr / (1 + (step - 1) * lrDecay), weightDecay, eps, ...guard.params };
    for (const { param, grad, state } of updates) adagradStep(param, grad, state.sum, ...guard.tensors, settings);
  }
}
