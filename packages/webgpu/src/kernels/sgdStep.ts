import type { sgdStep } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { stepExample } from "../selfCheck/shrink.ts";
import { guardOf, step } from "../wgsl/steps.ts";

const uniforms = { lr: "f32", decay: "f32" } as const;
const slope = "let g = grad[index] + u.decay * p[index];";

const plain = step({
  name: "sgdStep",
  tensors: { p: "moved", grad: null },
  uniforms,
  code: `${slope}
  let moved = p[index] - u.lr * g;`,
});

const withMomentum = step({
  name: "sgdStep, momentum",
  tensors: { p: "moved", grad: null, buffer: "next" },
  uniforms: { ...uniforms, momentum: "f32", rest: "f32", first: "u32", nesterov: "u32" },
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
    if (tensors.length === 2) return [...runs, ...plain(tensors, { lr, decay }, guard, gpu)];
    const values = { lr, decay, momentum, rest: 1 - dampening, first: Number(first), nesterov: Number(nesterov) };
    return [...runs, ...withMomentum(tensors, values, guard, gpu)];
  },
  { example: stepExample() },
);
