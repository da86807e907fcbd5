import type { Op } from "../../engine/op.ts";
import { add } from "../binary/add.ts";
import { div } from "../binary/div.ts";
import { defineStep, type Guarded } from "../shared/guard.ts";
import { affine } from "../unary/affine.ts";
import { sqrt } from "../unary/sqrt.ts";
import { square } from "../unary/square.ts";
import { checkStep } from "./adamStep.ts";

/** Settings of one Adagrad step. */
export interface AdagradStepParams extends Guarded {
  readonly lr: number;
  readonly weightDecay: number;
  readonly eps: number;
}

/**
 * Updates a parameter in place by one step of Adagrad. Inputs: parameter, gradient, sum of squared gradients. The
 * gradient is not changed. Duchi et al. 2011, https://jmlr.org/papers/v12/duchi11a.html
 */
export const adagradStep: Op<number, AdagradStepParams, 0> = defineStep({
  name: "adagradStep",
  arity: [3, 3],
  writes: (input) => input !== 1,
  check: (inputs) => checkStep("adagradStep", inputs),
  ref: ([p, grad, sum], _outputs, { lr, weightDecay, eps }) => {
    for (let i = 0; i < p.size; i++) {
      const g = grad.data[i] + weightDecay * p.data[i];
      sum.data[i] += g * g;
      p.data[i] -= (lr * g) / (Math.sqrt(sum.data[i]) + eps);
    }
  },
  updated: ([p, grad, sum], { lr, weightDecay, eps }) => {
    const g = add(grad, affine(p, { scale: weightDecay }));
    const squares = add(sum, square(g));
    const move = div(affine(g, { scale: -lr }), affine(sqrt(squares), { shift: eps }));
    return [
      [sum, squares],
      [p, add(p, move)],
    ];
  },
});
