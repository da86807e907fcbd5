import type {
  abs,
  affine,
  cos,
  erf,
  exp,
  log,
  reciprocal,
  relu,
  rsqrt,
  sin,
  sqrt,
  square,
  tanh,
} from "@lowrank/core/backend";
import { type GpuTensor, type KernelCode, kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { byElement } from "../kernel/split.ts";
import { elementGroups, elements } from "../wgsl/elements.ts";
import { type MathName, mathCode, specialCode } from "../wgsl/math.ts";

/** Makes the kernel code of an elementwise f32 function. `value` is WGSL of the result for an element `x`. */
function valueAt(name: string, value: string, helpers: string): KernelCode<void> {
  const shader = elements({
    name,
    inputs: { x: "f32" },
    out: "f32",
    helpers,
    element: `let x = load_x(i);\nreturn ${value};`,
  });
  return ([x]: GpuTensor[], [out]: GpuTensor[]) => [
    shader.dispatch({ x, out }, { size: out.size }, elementGroups("f32", out.size)),
  ];
}

/** Makes the kernel code of a function that is in `mathCode`. */
const unary = (name: MathName): KernelCode<void> => valueAt(name, `${name}Of(x)`, mathCode(name));

const facts = { split: byElement };

export const expKernel: WebGpuKernel = kernel<typeof exp>("exp", unary("exp"), facts);
export const logKernel: WebGpuKernel = kernel<typeof log>("log", unary("log"), facts);
export const sqrtKernel: WebGpuKernel = kernel<typeof sqrt>("sqrt", unary("sqrt"), facts);
export const sinKernel: WebGpuKernel = kernel<typeof sin>("sin", unary("sin"), facts);
export const cosKernel: WebGpuKernel = kernel<typeof cos>("cos", unary("cos"), facts);
export const tanhKernel: WebGpuKernel = kernel<typeof tanh>("tanh", unary("tanh"), facts);
export const erfKernel: WebGpuKernel = kernel<typeof erf>("erf", unary("erf"), facts);

export const absKernel: WebGpuKernel = kernel<typeof abs>(
  "abs",
  valueAt("abs", "withSign(x, 1.0)", specialCode),
  facts,
);
export const squareKernel: WebGpuKernel = kernel<typeof square>("square", valueAt("square", "x * x", ""), facts);
export const reciprocalKernel: WebGpuKernel = kernel<typeof reciprocal>(
  "reciprocal",
  valueAt("reciprocal", "divOf(1.0, x)", mathCode("div")),
  facts,
);
export const rsqrtKernel: WebGpuKernel = kernel<typeof rsqrt>(
  "rsqrt",
  valueAt("rsqrt", "divOf(1.0, sqrtOf(x))", mathCode("sqrt", "div")),
  facts,
);
/**
 * Kernel of ReLU: elements whose sign bit is set become 0. A NaN is returned unchanged, even if its sign bit is set.
 */
export const reluKernel: WebGpuKernel = kernel<typeof relu>(
  "relu",
  valueAt("relu", "select(0.0, x, bitcast<u32>(x) < 0x80000000u || isNan(x))", specialCode),
  facts,
);

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
