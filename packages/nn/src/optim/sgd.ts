import type { Tensor } from "@lowrank/core";
import { sgdStep } from "@lowrank/core/internal";
import { type Guard, Optimizer, type Params, type StateSpec, stateLike, type Update } from "./optimizer.ts";

/** Settings of `SGD`. */
export interface SGDOptions {
  lr: number;
  momentum: number;
  dampening: number;
  weightDecay: number;
  nesterov: boolean;
}

/** Stochastic gradient descent with momentum, as `torch.optim.SGD`. */
export class SGD extends Optimizer<SGDOptions> {
  /** Defaults: lr 1e-3, no momentum, no dampening, no weight decay, no Nesterov momentum. */
  constructor(params: Params<SGDOptions>, options: Partial<SGDOptions> = {}) {
    super(params, { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false }, options);
    for (const { nesterov, momentum, dampening } of this.groups) {
      if (nesterov && !(momentum > 0 && dampening === 0)) {
        throw new Error(`SGD: nesterov needs momentum > 0 (is ${momentum}) and dampening 0 (is ${dampening})`);
      }
    }
  }

  protected override stateSpecs(param: Tensor, { momentum }: SGDOptions): Record<string, StateSpec> {
    return stateLike(param, ...(momentum > 0 ? ["momentumBuffer"] : []));
  }

  protected override update(
    updates: readonly Update[],
    step: number,
    { lr, momentum, dampening, weightDecay, nesterov }: SGDOptions,
    guard: Guard,
  ): void {
    const settings = { lr, momentum, dampening, weightDecay, nesterov, first: step === 1, ...guard.params };
    for (const { param, grad, state } of updates) {
      const { momentumBuffer } = state;
      sgdStep(param, grad, ...(momentumBuffer ? [momentumBuffer] : []), ...guard.tensors, settings);
    }
  }
}
