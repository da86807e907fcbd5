import type { rmspropStep } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { stepExample } from "../selfCheck/shrink.ts";
import { guardOf, step } from "../wgsl/steps.ts";

const uniforms = { lr: "f32", decay: "f32", alpha: "f32", rest: "f32", eps: "f32" } as const;
const moveCode = `let g = grad[index] + u.decay * p[index];
  let square = u.alpha * mean[index] + u.rest * g * g;
  let change = g / (sqrtOf(square) + u.eps);`;

const plain = step({
  name: "rmspropStep",
  tensors: { p: "moved", grad: null, mean: "square" },
  uniforms,
  math: ["sqrt"],
  code: `${moveCode}
  let moved = p[index] - u.lr * change;`,
});

const withMomentum = step({
  name: "rmspropStep, momentum",
  tensors: { p: "moved", grad: null, mean: "square", buffer: "next" },
  uniforms: { ...uniforms, momentum: "f32" },
  math: ["sqrt"],
  code: `${moveCode}
  let next = u.momentum * buffer[index] + change;
  let moved = p[index] - u.lr * next;`,
});

export const rmspropStepKernel: WebGpuKernel = kernel<typeof rmspropStep>(
  "rmspropStep",
  (inputs, _outputs, params, gpu) => {
    const { lr, weightDecay: decay, alpha, eps, momentum } = params;
    const { tensors, guard, runs } = guardOf(inputs, params, gpu);
    const values = { lr, decay, alpha, rest: 1 - alpha, eps };
    if (tensors.length === 3) return [...runs, ...plain(tensors, values, guard, gpu)];
    return [...runs, ...withMomentum(tensors, { ...values, momentum }, guard, gpu)];
  },
  { example: stepExample([2]) },
);
