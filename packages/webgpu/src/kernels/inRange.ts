import type { inRange } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { variants } from "../kernel/shader.ts";
import { elementGroups, elements } from "../wgsl/elements.ts";

const shaderOf = variants((dtype: "f32" | "i32") =>
  elements({
    name: `inRange ${dtype}`,
    inputs: { x: dtype },
    out: dtype,
    uniforms: { low: dtype, high: dtype, except: dtype, excepts: "u32" },
    faults: true,
    element: `let x = load_x(i);
if ((x < u.low || x > u.high) && (u.excepts == 0u || x != u.except)) { fault(i32(i)); }
return x;`,
  }),
);

/** Clamps to the range of i32. */
const within = (value: number): number => Math.min(Math.max(value, -(2 ** 31)), 2 ** 31 - 1);

export const inRangeKernel: WebGpuKernel = kernel<typeof inRange>("inRange", ([x], [out], params) => {
  const { low, high = Infinity, except } = params;
  const dtype = x.dtype === "i32" ? "i32" : "f32";
  const ends = dtype === "i32" ? { low: within(Math.ceil(low)), high: within(Math.floor(high)) } : { low, high };
  const values = { ...ends, except: except ?? 0, excepts: except === undefined ? 0 : 1, size: out.size };
  return [shaderOf(dtype).dispatch({ x, out }, values, elementGroups(dtype, out.size), x)];
});
