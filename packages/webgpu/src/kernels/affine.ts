import type { affine } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { byElement } from "../kernel/split.ts";
import { elementGroups, elements } from "../wgsl/elements.ts";

const shader = elements({
  name: "affine",
  inputs: { x: "f32" },
  out: "f32",
  uniforms: { scale: "f32", shift: "f32" },
  // Do not add a shift of 0: it would turn -0 into 0.
  element: `let y = load_x(i) * u.scale;
return select(y + u.shift, y, u.shift == 0.0);`,
});

export const affineKernel: WebGpuKernel = kernel<typeof affine>(
  "affine",
  ([x], [out], { scale = 1, shift = 0 }) => [
    shader.dispatch({ x, out }, { scale, shift, size: out.size }, elementGroups("f32", out.size)),
  ],
  { split: byElement },
);
