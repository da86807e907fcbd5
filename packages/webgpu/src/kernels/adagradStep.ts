import type { adagradStep } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { stepExample } from "../selfCheck/shrink.ts";
import { guardOf, step } from "../wgsl/steps.ts";

const adagrad = step({
  name: "adagradStep",
  tensors: { p: "moved", grad: null, sum: "squares" },
  uniforms: { lr: "f32", decay: "f32", eps: "f32" },
  math: ["sqrt"],
  code: `let g = grad[index] + u.decay * p[index];
  let squares = sum[index] + g * g;
  let moved = p[index] - u.lr * g / (sqrtOf(squares) + u.eps);`,
});

export const adagradStepKernel: WebGpuKernel = kernel<typeof adagradStep>(
  "adagradStep",
  (inputs, _outputs, params, gpu) => {
    const { lr, weightDecay: decay, eps } = params;
    const { tensors, guard, runs } = guardOf(inputs, params, gpu);
    return [...runs, ...adagrad(tensors, { lr, decay, eps }, guard, gpu)];
  },
  { example: stepExample([2]) },
);
