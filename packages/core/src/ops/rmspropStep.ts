import type { Op } from "../op.ts";
import { checkStep } from "./adamStep.ts";
import { defineStep, type Guarded } from "./guard.ts";

/** Settings of one RMSprop step. */
export interface RmspropStepParams extends Guarded {
  readonly lr: number;
  readonly weightDecay: number;
  readonly alpha: number;
  readonly eps: number;
  readonly momentum: number;
}

/** One step of RMSprop in place: (parameter, gradient, mean square) and a momentum buffer, or none; the gradient stays. */
export const rmspropStep: Op<number, RmspropStepParams, 0> = defineStep({
  name: "rmspropStep",
  check: (inputs) => checkStep("rmspropStep", inputs),
  ref: ([p, grad, mean, buffer], _outputs, { lr, weightDecay, alpha, eps, momentum }) => {
    for (let i = 0; i < p.size; i++) {
      const g = grad.data[i] + weightDecay * p.data[i];
      mean.data[i] = alpha * mean.data[i] + (1 - alpha) * g * g;
      let move = g / (Math.sqrt(mean.data[i]) + eps);
      if (buffer) {
        buffer.data[i] = momentum * buffer.data[i] + move;
        move = buffer.data[i];
      }
      p.data[i] -= lr * move;
    }
  },
});
