import type { cos, erf, exp, log, sin, sqrt, tanh } from "@lowrank/core/backend";
import { type GpuTensor, type KernelCode, kernel, type WebGpuKernel } from "../kernel.ts";
import { elementGroups, elements } from "../wgsl/elements.ts";
import { type MathName, mathCode } from "../wgsl/math.ts";

/** Code of an elementwise function of one f32 tensor, by its name in `mathCode`. */
function unary(name: MathName): KernelCode<void> {
  const shader = elements({
    name,
    inputs: { x: "f32" },
    out: "f32",
    helpers: mathCode(name),
    element: `return ${name}Of(load_x(i));`,
  });
  return ([x]: GpuTensor[], [out]: GpuTensor[]) => [
    shader.dispatch({ x, out }, { size: out.size }, elementGroups("f32", out.size)),
  ];
}

export const expKernel: WebGpuKernel = kernel<typeof exp>("exp", unary("exp"));
export const logKernel: WebGpuKernel = kernel<typeof log>("log", unary("log"));
export const sqrtKernel: WebGpuKernel = kernel<typeof sqrt>("sqrt", unary("sqrt"));
export const sinKernel: WebGpuKernel = kernel<typeof sin>("sin", unary("sin"));
export const cosKernel: WebGpuKernel = kernel<typeof cos>("cos", unary("cos"));
export const tanhKernel: WebGpuKernel = kernel<typeof tanh>("tanh", unary("tanh"));
export const erfKernel: WebGpuKernel = kernel<typeof erf>("erf", unary("erf"));
