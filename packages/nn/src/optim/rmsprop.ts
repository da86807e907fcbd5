import type { Tensor } from "@lowrank/core";
import { rmspropStep } from "@lowrank/core/internal";
import { type Guard, Optimizer, type Params, type StateSpec, stateLike, type Update } from "./optimizer.ts";

/** Settings of `RMSprop`. */
export interface RMSpropOptions {
  lr: number;
  alpha: number;
  eps: number;
  weightDecay: number;
  momentum: number;
}

/** RMSprop, as `torch.optim.RMSprop` with `centered=False`. */
export class RMSprop extends Optimizer<RMSpropOptions> {
  /** Defaults: lr 0.01, alpha 0.99, eps 1e-8, no momentum, no weight decay. */
  constructor(params: Params<RMSpropOptions>, options: Partial<RMSpropOptions> = {}) {
    super(params, { lr: 0.01, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0 }, options);
  }

  protected override stateSpecs(param: Tensor, { momentum }: RMSpropOptions): Record<string, StateSpec> {
    return stateLike(param, "squareAvg", ...(momentum > 0 ? ["momentumBuffer"] : []));
  }

  protected override update(updates: readonly Update[], _step: number, options: RMSpropOptions, guard: Guard): void {
    const settings = { ...options, ...guard.params };
    for (const { param, grad, state } of updates) {
      const { squareAvg, momentumBuffer } = state;
      rmspropStep(param, grad, squareAvg, ...(momentumBuffer ? [momentumBuffer] : []), ...guard.tensors, settings);
    }
  }
}
