import type { adagradStep, adamStep, rmspropStep, sgdStep } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { f32, guardInput, stepExample } from "../selfCheck/shrink.ts";
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

const rmspropUniforms = { lr: "f32", decay: "f32", alpha: "f32", rest: "f32", eps: "f32" } as const;
const moveCode = `let g = grad[index] + u.decay * p[index];
  let square = u.alpha * mean[index] + u.rest * g * g;
  let change = g / (sqrtOf(square) + u.eps);`;

const rmsprop = step({
  name: "rmspropStep",
  tensors: { p: "moved", grad: null, mean: "square" },
  uniforms: rmspropUniforms,
  math: ["sqrt"],
  code: `${moveCode}
  let moved = p[index] - u.lr * change;`,
});

const rmspropWithMomentum = step({
  name: "rmspropStep, momentum",
  tensors: { p: "moved", grad: null, mean: "square", buffer: "next" },
  uniforms: { ...rmspropUniforms, momentum: "f32" },
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
    if (tensors.length === 3) return [...runs, ...rmsprop(tensors, values, guard, gpu)];
    return [...runs, ...rmspropWithMomentum(tensors, { ...values, momentum }, guard, gpu)];
  },
  { example: stepExample([2]) },
);

const sgdUniforms = { lr: "f32", decay: "f32" } as const;
const slope = "let g = grad[index] + u.decay * p[index];";

const sgd = step({
  name: "sgdStep",
  tensors: { p: "moved", grad: null },
  uniforms: sgdUniforms,
  code: `${slope}
  let moved = p[index] - u.lr * g;`,
});

const sgdWithMomentum = step({
  name: "sgdStep, momentum",
  tensors: { p: "moved", grad: null, buffer: "next" },
  uniforms: { ...sgdUniforms, momentum: "f32", rest: "f32", first: "u32", nesterov: "u32" },
  code: `${slope}
  var next = g;
  if (u.first == 0u) { next = u.momentum * buffer[index] + u.rest * g; }
  var change = next;
  if (u.nesterov != 0u) { change = g + u.momentum * next; }
  let moved = p[index] - u.lr * change;`,
});

export const sgdStepKernel: WebGpuKernel = kernel<typeof sgdStep>(
  "sgdStep",
  (inputs, _outputs, params, gpu) => {
    const { lr, weightDecay: decay, momentum, dampening, nesterov, first } = params;
    const { tensors, guard, runs } = guardOf(inputs, params, gpu);
    if (tensors.length === 2) return [...runs, ...sgd(tensors, { lr, decay }, guard, gpu)];
    const values = { lr, decay, momentum, rest: 1 - dampening, first: Number(first), nesterov: Number(nesterov) };
    return [...runs, ...sgdWithMomentum(tensors, values, guard, gpu)];
  },
  { example: stepExample() },
);
