import type { Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { add } from "../binary/add.ts";
import { defineStep, type Guarded } from "../shared/guard.ts";
import { affine } from "../unary/affine.ts";
import { checkStep } from "./adamStep.ts";

/** Settings of one SGD step. */
export interface SgdStepParams extends Guarded {
  readonly lr: number;
  readonly weightDecay: number;
  readonly momentum: number;
  readonly dampening: number;
  readonly nesterov: boolean;
  /** True for the first step, which copies the gradient into the momentum buffer. */
  readonly first: boolean;
}

/**
 * Updates a parameter in place by one step of SGD. Inputs: parameter, gradient, and optionally a momentum buffer. The
 * gradient is not changed.
 */
export const sgdStep: Op<number, SgdStepParams, 0> = defineStep({
  name: "sgdStep",
  arity: [2, 3],
  writes: (input) => input !== 1,
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
  updated: ([p, grad, buffer], { lr, weightDecay, momentum, dampening, nesterov, first }) => {
    const g = add(grad, affine(p, { scale: weightDecay }));
    const moved = (move: Tensor) => add(p, affine(move, { scale: -lr }));
    if (!buffer) return [[p, moved(g)]];
    const nextBuffer = first ? g : add(affine(buffer, { scale: momentum }), affine(g, { scale: 1 - dampening }));
    const move = nesterov ? add(g, affine(nextBuffer, { scale: momentum })) : nextBuffer;
    return [
      [buffer, nextBuffer],
      [p, moved(move)],
    ];
  },
});
