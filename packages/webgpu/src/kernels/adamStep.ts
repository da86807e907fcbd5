import type { adamStep } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { f32, guardInput } from "../selfCheck/shrink.ts";
import { guardOf, step } from "../wgsl/steps.ts";

const adam = step({
  name: "adamStep",
  tensors: { p: "moved", grad: null, m: "first", v: "second" },
  uniforms: {
    ...({ beta1: "f32", rest1: "f32", beta2: "f32", rest2: "f32", stepSize: "f32" } as const),
    ...({ rootFactor: "f32", eps: "f32", shrink: "f32", decay: "f32" } as const),
  },
  math: ["sqrt"],
  code: `let g = grad[index] + u.decay * p[index];
  let first = u.beta1 * m[index] + u.rest1 * g;
  let second = u.beta2 * v[index] + u.rest2 * g * g;
  let moved = p[index] * u.shrink - u.stepSize * first / (sqrtOf(second) * u.rootFactor + u.eps);`,
});

export const adamStepKernel: WebGpuKernel = kernel<typeof adamStep>(
  "adamStep",
  (inputs, _outputs, params, gpu) => {
    const { lr, beta1, beta2, eps, weightDecay, step: count, decoupled } = params;
    const [shrink, decay] = decoupled ? [1 - lr * weightDecay, 0] : [1, weightDecay];
    const values = {
      ...{ beta1, rest1: 1 - beta1, beta2, rest2: 1 - beta2, eps, shrink, decay },
      stepSize: lr / (1 - beta1 ** count),
      rootFactor: 1 / Math.sqrt(1 - beta2 ** count),
    };
    const { tensors, guard, runs } = guardOf(inputs, params, gpu);
    const parameters = Array.from({ length: tensors.length / 4 }, (_, i) => tensors.slice(4 * i, 4 * i + 4));
    return [...runs, ...parameters.flatMap((parameter) => adam(parameter, values, guard, gpu))];
  },
  {
    example: (_inputs, params) => {
      const parameter = [f32(37), f32(37), f32(37), { ...f32(37), positive: true }];
      // A large learning rate, so that errors in the step are visible in the parameters.
      return { inputs: [...parameter, ...parameter, ...guardInput(params)], params: { ...params, lr: 0.5, step: 3 } };
    },
  },
);
