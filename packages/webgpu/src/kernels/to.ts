import type { DType, to } from "@lowrank/core/backend";
import { kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { variants } from "../kernel/shader.ts";
import { byElement } from "../kernel/split.ts";
import { codeType, elementGroups, elements } from "../wgsl/elements.ts";
import { specialCode } from "../wgsl/math.ts";

/** WGSL that converts the value `x` of the given type to the stored form of the dtype `to`. */
function narrowed(from: string, to: DType): string {
  if (to === "bool")
    return from === "f32"
      ? "select(1u, 0u, magnitudeOf(x) == 0u)"
      : `select(1u, 0u, x == 0${from === "u32" ? "u" : ""})`;
  if (to === "i32") return from === "f32" ? "cut(x, -2147483648.0, 2147483520.0, 2147483647)" : "i32(x)";
  if (to !== "u8") return "f32(x)";
  if (from === "f32") return "u32(cut(x, 0.0, 255.0, 255))";
  return from === "i32" ? "u32(clamp(x, 0, 255))" : "x";
}

/**
 * WGSL function that converts a float to an integer: drops the fraction, clamps to the dtype's range, and converts NaN
 * to 0.
 */
const cutCode = `${specialCode}
fn cut(x: f32, low: f32, high: f32, most: i32) -> i32 {
  if (isNan(x)) { return 0; }
  if (x > high) { return most; }
  return i32(max(x, low));
}`;

const shaderOf = variants((from: DType, to: DType) =>
  elements({
    name: `to ${to} from ${from}`,
    inputs: { x: from },
    out: to,
    helpers: cutCode,
    element: `let x = load_x(i);\nreturn ${narrowed(codeType(from), to)};`,
  }),
);

export const toKernel: WebGpuKernel = kernel<typeof to>(
  "to",
  ([x], [out]) => [
    shaderOf(x.dtype, out.dtype).dispatch({ x, out }, { size: out.size }, elementGroups(out.dtype, out.size)),
  ],
  { split: byElement },
);
