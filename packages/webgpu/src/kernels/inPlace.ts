import type { addInto, scaleInPlace } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { entry, shader, spread } from "../kernel/shader.ts";
import { byElement } from "../kernel/split.ts";
import { numbers } from "../selfCheck/shrink.ts";

const threads = 64;

const scaled = shader({
  name: "scaleInPlace",
  bindings: { x: "write f32" },
  uniforms: { size: "u32", factor: "f32" },
  code: entry(threads, "  if (index < u.size) { x[index] *= u.factor; }"),
});

export const scaleInPlaceKernel: WebGpuKernel = kernel<typeof scaleInPlace>(
  "scaleInPlace",
  ([x], _outputs, { factor }) => [scaled.dispatch({ x }, { size: x.size, factor }, spread(x.size, threads))],
  { example: numbers, split: byElement },
);

const added = shader({
  name: "addInto",
  bindings: { x: "write f32", y: "read f32" },
  uniforms: { size: "u32", alpha: "f32" },
  code: entry(threads, "  if (index < u.size) { x[index] += u.alpha * y[index]; }"),
});

export const addIntoKernel: WebGpuKernel = kernel<typeof addInto>(
  "addInto",
  ([x, y], _outputs, { alpha = 1 }) => {
    const groups = spread(x.size, threads);
    // x and y are the same buffer, which must not be bound twice to one kernel, so x is scaled instead.
    if (x.buffer.slab === y.buffer.slab) return [scaled.dispatch({ x }, { size: x.size, factor: 1 + alpha }, groups)];
    return [added.dispatch({ x, y }, { size: x.size, alpha }, groups)];
  },
  { example: numbers, split: byElement },
);
