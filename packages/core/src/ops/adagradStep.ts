import { defineOp, type Op } from "../op.ts";
import { checkStep } from "./adamStep.ts";

/** Settings of one Adagrad step. */
export interface AdagradStepParams {
  readonly lr: number;
  readonly weightDecay: number;
  readonly eps: number;
}

/**
 * One step of Adagrad in place: (parameter, gradient, sum of squares); the gradient stays.
 * Duchi et al. 2011, https://jmlr.org/papers/v12/duchi11a.html
 */
export const adagradStep: Op<3, AdagradStepParams, 0> = defineOp({
  name: "adagradStep",
  inPlace: true,
  shape: (inputs) => {
    checkStep("adagradStep", inputs);
    return [];
  },
  ref: ([p, grad, sum], _outputs, { lr, weightDecay, eps }) => {
    for (let i = 0; i < p.size; i++) {
      const g = grad.data[i] + weightDecay * p.data[i];
      sum.data[i] += g * g;
      p.data[i] -= (lr * g) / (Math.sqrt(sum.data[i]) + eps);
    }
  },
});
