import type { Op } from "../../engine/op.ts";
import { add } from "../binary/add.ts";
import { defineStep, type Guarded } from "../shared/guard.ts";
import { affine } from "../unary/affine.ts";
import { sign } from "../unary/sign.ts";
import { checkStep } from "./adamStep.ts";

/** Settings of one Lion step. */
export interface LionStepParams extends Guarded {
  readonly lr: number;
  /**
   * Weight of the running average in this step's direction, which is sign(beta1 * average + (1 - beta1) * gradient).
   */
  readonly beta1: number;
  /** Decay rate of the running average, which becomes beta2 * average + (1 - beta2) * gradient after the step. */
  readonly beta2: number;
  readonly weightDecay: number;
}

/**
 * Updates a parameter in place by one step of Lion. Inputs: parameter, gradient, running average of gradients. The
 * gradient is not changed. Chen et al. 2023, https://arxiv.org/abs/2302.06675
 */
export const lionStep: Op<number, LionStepParams, 0> = defineStep({
  name: "lionStep",
  arity: [3, 3],
  writes: (input) => input !== 1,
  check: (inputs) => checkStep("lionStep", inputs),
  ref: ([p, grad, average], _outputs, { lr, beta1, beta2, weightDecay }) => {
    for (let i = 0; i < p.size; i++) {
      const [g, m] = [grad.data[i], average.data[i]];
      p.data[i] = p.data[i] * (1 - lr * weightDecay) - lr * Math.sign(beta1 * m + (1 - beta1) * g);
      average.data[i] = beta2 * m + (1 - beta2) * g;
    }
  },
  updated: ([p, grad, average], { lr, beta1, beta2, weightDecay }) => {
    const mixed = (beta: number) => add(affine(average, { scale: beta }), affine(grad, { scale: 1 - beta }));
    const moved = affine(sign(mixed(beta1)), { scale: -lr });
    return [
      [p, add(affine(p, { scale: 1 - lr * weightDecay }), moved)],
      [average, mixed(beta2)],
    ];
  },
});
