import type { Op } from "../../engine/op.ts";
import { add } from "../binary/add.ts";
import { div } from "../binary/div.ts";
import { mul } from "../binary/mul.ts";
import { defineStep, type Guarded } from "../shared/guard.ts";
import { affine } from "../unary/affine.ts";
import { sqrt } from "../unary/sqrt.ts";
import { checkStep } from "./adamStep.ts";

/** Settings of one RMSprop step. */
export interface RmspropStepParams extends Guarded {
  readonly lr: number;
  readonly weightDecay: number;
  readonly alpha: number;
  readonly eps: number;
  readonly momentum: number;
}

/**
 * Updates a parameter in place by one step of RMSprop. Inputs: parameter, gradient, running mean of squared gradients,
 * and optionally a momentum buffer. The gradient is not changed.
 */
export const rmspropStep: Op<number, RmspropStepParams, 0> = defineStep({
  name: "rmspropStep",
  arity: [3, 4],
  writes: (input) => input !== 1,
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
  updated: ([p, grad, mean, buffer], { lr, weightDecay, alpha, eps, momentum }) => {
    const g = add(grad, affine(p, { scale: weightDecay }));
    const square = add(affine(mean, { scale: alpha }), mul(affine(g, { scale: 1 - alpha }), g));
    const step = div(g, affine(sqrt(square), { shift: eps }));
    const move = buffer ? add(affine(buffer, { scale: momentum }), step) : step;
    const moved = add(p, affine(move, { scale: -lr }));
    return [[mean, square], [p, moved], ...(buffer ? [[buffer, move] as const] : [])];
  },
});
