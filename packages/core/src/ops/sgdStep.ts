import type { Op } from "../op.ts";
import { checkStep } from "./adamStep.ts";
import { defineStep, type Guarded } from "./guard.ts";

/** Settings of one SGD step. */
export interface SgdStepParams extends Guarded {
  readonly lr: number;
  readonly weightDecay: number;
  readonly momentum: number;
  readonly dampening: number;
  readonly nesterov: boolean;
  /** The momentum buffer starts as the gradient itself. */
  readonly first: boolean;
}

/** One step of SGD in place: (parameter, gradient) or (parameter, gradient, momentum buffer); the gradient stays. */
export const sgdStep: Op<number, SgdStepParams, 0> = defineStep({
  name: "sgdStep",
  check: (inputs) => checkStep("sgdStep", inputs),
  ref: ([p, grad, buffer], _outputs, { lr, weightDecay, momentum, dampening, nesterov, first }) => {
    for (let i = 0; i < p.size; i++) {
      let g = grad.data[i] + weightDecay * p.data[i];
      if (buffer) {
        buffer.data[i] = first ? g : momentum * buffer.data[i] + (1 - dampening) * g;
        g = nesterov ? g + momentum * buffer.data[i] : buffer.data[i];
      }
      p.data[i] -= lr * g;
    }
  },
});
