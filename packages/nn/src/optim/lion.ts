import type { Tensor } from "@lowrank/core";
import { lionStep } from "@lowrank/core/internal";
import { checkBetas } from "./adam.ts";
import { type Guard, Optimizer, type Params, type StateSpec, stateLike, type Update } from "./optimizer.ts";

/** Settings of `Lion`. */
export interface LionOptions {
  lr: number;
  /**
   * The two decay rates. The step goes in the direction sign(beta1 * average + (1 - beta1) * gradient); the running
   * average then becomes beta2 * average + (1 - beta2) * gradient.
   */
  betas: readonly [number, number];
  weightDecay: number;
}

/**
 * Lion: each step changes every element by the learning rate, with the sign of a running average of its gradients.
 * Weight decay is decoupled. The state takes half the memory of AdamW's state. The learning rate should be three to ten
 * times lower than for AdamW. Chen et al. 2023, https://arxiv.org/abs/2302.06675
 */
export class Lion extends Optimizer<LionOptions> {
  /** Defaults: lr 1e-4, betas 0.9 and 0.99, weight decay 0. */
  constructor(params: Params<LionOptions>, options: Partial<LionOptions> = {}) {
    super(params, { lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0 }, options);
    checkBetas("Lion", this.groups);
  }

  protected override stateSpecs(param: Tensor): Record<string, StateSpec> {
    return stateLike(param, "expAvg");
  }

  protected override update(
    updates: readonly Update[],
    _step: number,
    { lr, betas: [beta1, beta2], weightDecay }: LionOptions,
    guard: Guard,
  ): void {
    for (const { param, grad, state } of updates) {
      lionStep(param, grad, state.expAvg, ...guard.tensors, { lr, beta1, beta2, weightDecay, ...guard.params });
    }
  }
}
