import type { TensorSpec } from "../../backends/backend.ts";
import { expectDType, type Op } from "../../engine/op.ts";
import { formatShape, sameShape } from "../../layout/shape.ts";
import { add } from "../binary/add.ts";
import { div } from "../binary/div.ts";
import { mul } from "../binary/mul.ts";
import { groupsOf } from "../shared/groupsOf.ts";
import { defineStep, type Guarded } from "../shared/guard.ts";
import { affine } from "../unary/affine.ts";
import { sqrt } from "../unary/sqrt.ts";

/**
 * Throws unless all inputs of an optimiser step are f32. In each group of `size` consecutive inputs, shapes must be
 * equal.
 */
export function checkStep(op: string, inputs: readonly TensorSpec[], size: number = inputs.length): void {
  if (inputs.length % size !== 0) {
    throw new Error(`${op}: ${inputs.length} tensors; give ${size} for each parameter`);
  }
  for (let i = 0; i < inputs.length; i++) {
    expectDType(op, inputs, i, "f32");
    const parameter = inputs[i - (i % size)];
    if (!sameShape(inputs[i].shape, parameter.shape)) {
      throw new Error(
        `${op}: parameter ${formatShape(parameter.shape)} and input ${i} ${formatShape(inputs[i].shape)} differ`,
      );
    }
  }
}

/**
 * Returns one list of inputs per parameter. The first four inputs of a list belong to its parameter: the parameter, its
 * gradient and its two moments. The inputs of later parameters follow.
 */
function byParameter<T>(inputs: readonly T[]): T[][] {
  return Array.from({ length: inputs.length / 4 }, (_, i) => inputs.slice(4 * i));
}

/** Settings of one Adam step. */
export interface AdamStepParams extends Guarded {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** Number of this step, counted from 1. Adam's bias correction uses it. */
  readonly step: number;
  /** True for AdamW: weight decay shrinks the parameter directly. False for Adam: it is added to the gradient. */
  readonly decoupled: boolean;
}

/**
 * Updates parameters in place by one step of Adam or AdamW. The inputs are (parameter, gradient, first moment, second
 * moment), repeated for each parameter. Gradients are not changed. Kingma and Ba 2015, https://arxiv.org/abs/1412.6980;
 * Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101
 */
export const adamStep: Op<number, AdamStepParams, 0> = defineStep({
  name: "adamStep",
  arity: [1, Infinity],
  writes: (input) => input % 4 !== 1,
  check: (inputs) => checkStep("adamStep", inputs, 4),
  inGroups: (inputs, guard, most, run) => {
    for (const group of groupsOf(inputs, 4, most - guard.length)) run([...group, ...guard]);
  },
  ref: (inputs, _outputs, { lr, beta1, beta2, eps, weightDecay, step, decoupled }) => {
    const stepSize = lr / (1 - beta1 ** step);
    const root = Math.sqrt(1 - beta2 ** step);
    const shrink = decoupled ? 1 - lr * weightDecay : 1;
    const decay = decoupled ? 0 : weightDecay;
    for (const [p, grad, m, v] of byParameter(inputs)) {
      for (let i = 0; i < p.size; i++) {
        const g = grad.data[i] + decay * p.data[i];
        m.data[i] = beta1 * m.data[i] + (1 - beta1) * g;
        v.data[i] = beta2 * v.data[i] + (1 - beta2) * g * g;
        p.data[i] = p.data[i] * shrink - (stepSize * m.data[i]) / (Math.sqrt(v.data[i]) / root + eps);
      }
    }
  },
  updated: (inputs, { lr, beta1, beta2, eps, weightDecay, step, decoupled }) => {
    const stepSize = lr / (1 - beta1 ** step);
    const rootFactor = 1 / Math.sqrt(1 - beta2 ** step);
    const [shrink, decay] = decoupled ? [1 - lr * weightDecay, 0] : [1, weightDecay];
    return byParameter(inputs).flatMap(([p, grad, m, v]) => {
      const g = decay === 0 ? grad : add(grad, affine(p, { scale: decay }));
      const first = add(affine(m, { scale: beta1 }), affine(g, { scale: 1 - beta1 }));
      const second = add(affine(v, { scale: beta2 }), mul(affine(g, { scale: 1 - beta2 }), g));
      const root = affine(sqrt(second), { scale: rootFactor, shift: eps });
      const moved = add(affine(p, { scale: shrink }), div(affine(first, { scale: -stepSize }), root));
      return [[m, first] as const, [v, second] as const, [p, moved] as const];
    });
  },
});
