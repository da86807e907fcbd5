import type {
  geglu,
  gegluBackward,
  gelu,
  geluBackward,
  geluTanh,
  geluTanhBackward,
  sigmoid,
  silu,
  siluBackward,
  swiglu,
  swigluBackward,
} from "@lowrank/core/backend";
import { type KernelCode, kernel, type WebGpuKernel } from "../kernel/kernel.ts";
import { type Dispatch, entry, shader, spread, variants } from "../kernel/shader.ts";
import { byElement } from "../kernel/split.ts";
import { numbers } from "../selfCheck/shrink.ts";
import { elementGroups, elements } from "../wgsl/elements.ts";
import { mathCode } from "../wgsl/math.ts";

/** WGSL of activations and their derivatives: `siluOf(x)`, `siluSlope(x)` and others. */
const activationCode: string = `${mathCode("exp", "erf", "tanh")}
fn sigmoidOf(x: f32) -> f32 { return 1.0 / (1.0 + expOf(-x)); }
fn siluOf(x: f32) -> f32 { return x * sigmoidOf(x); }
fn siluSlope(x: f32) -> f32 {
  let s = sigmoidOf(x);
  return s * (1.0 + x * (1.0 - s));
}
fn geluOf(x: f32) -> f32 { return 0.5 * x * (1.0 + erfOf(x * 0.7071067811865476)); }
fn geluSlope(x: f32) -> f32 {
  return 0.5 * (1.0 + erfOf(x * 0.7071067811865476)) + x * 0.3989422804014327 * expOf(-0.5 * x * x);
}
// (1 + tanh(z)) / 2 is sigmoid(2 z), which keeps its digits where tanh nears -1.
fn geluTanhOf(x: f32) -> f32 {
  return x * sigmoidOf(x * (1.5957691216057308 + 0.07135481627260025 * x * x));
}
fn geluTanhSlope(x: f32) -> f32 {
  let t = tanhOf(x * (0.7978845608028654 + 0.035677408136300125 * x * x));
  return 0.5 + 0.5 * t + (0.5 - 0.5 * t * t) * (x * (0.7978845608028654 + 0.10703222440890038 * x * x));
}`;

/** Activations whose value and derivative functions are in `activationCode`. */
type Activation = "silu" | "gelu" | "geluTanh";

function plain(name: string): KernelCode<void> {
  const made = elements({
    name,
    inputs: { x: "f32" },
    out: "f32",
    helpers: activationCode,
    element: `return ${name}Of(load_x(i));`,
  });
  return ([x], [out]) => [made.dispatch({ x, out }, { size: out.size }, elementGroups("f32", out.size))];
}

function backward(name: Activation): KernelCode<void> {
  const made = elements({
    name: `${name}Backward`,
    inputs: { dy: "f32", x: "f32" },
    out: "f32",
    helpers: activationCode,
    element: `return load_dy(i) * ${name}Slope(load_x(i));`,
  });
  return ([dy, x], [out]) => [made.dispatch({ dy, x, out }, { size: out.size }, elementGroups("f32", out.size))];
}

/** Kernel that computes activation(gate) * up. */
const gated = variants((name: Activation) =>
  elements({
    name: `${name} gate`,
    inputs: { gate: "f32", up: "f32" },
    out: "f32",
    helpers: activationCode,
    element: `return ${name}Of(load_gate(i)) * load_up(i);`,
  }),
);

const threads = 64;

/** Kernel that computes the gradients of activation(gate) * up with respect to gate and up. */
const gatedBackward = variants((name: Activation) =>
  shader({
    name: `${name} gate, backward`,
    bindings: { dy: "read f32", gate: "read f32", up: "read f32", dgate: "write f32", dup: "write f32" },
    uniforms: { size: "u32" },
    code: `${activationCode}
${entry(
  threads,
  `  if (index >= u.size) { return; }
  let x = gate[index];
  dgate[index] = dy[index] * up[index] * ${name}Slope(x);
  dup[index] = dy[index] * ${name}Of(x);`,
)}`,
  }),
);

type Tensors = Parameters<KernelCode<void>>[0];

const gate = (name: Activation, [gateX, up]: Tensors, [out]: Tensors): Dispatch[] => [
  gated(name).dispatch({ gate: gateX, up, out }, { size: out.size }, elementGroups("f32", out.size)),
];

const gateBackward = (name: Activation, [dy, gateX, up]: Tensors, [dgate, dup]: Tensors): Dispatch[] => [
  gatedBackward(name).dispatch({ dy, gate: gateX, up, dgate, dup }, { size: dy.size }, spread(dy.size, threads)),
];

const geluOf = (approximate: "none" | "tanh" | undefined): Activation => (approximate === "tanh" ? "geluTanh" : "gelu");

/**
 * Properties that all elementwise kernels share: how to make an example call for checks, and how to cut large calls.
 */
const facts = { example: numbers, split: byElement };

export const sigmoidKernel: WebGpuKernel = kernel<typeof sigmoid>("sigmoid", plain("sigmoid"), facts);
export const siluKernel: WebGpuKernel = kernel<typeof silu>("silu", plain("silu"), facts);
export const siluBackwardKernel: WebGpuKernel = kernel<typeof siluBackward>("siluBackward", backward("silu"), facts);
export const geluKernel: WebGpuKernel = kernel<typeof gelu>("gelu", plain("gelu"), facts);
export const geluBackwardKernel: WebGpuKernel = kernel<typeof geluBackward>("geluBackward", backward("gelu"), facts);
export const geluTanhKernel: WebGpuKernel = kernel<typeof geluTanh>("geluTanh", plain("geluTanh"), facts);
export const geluTanhBackwardKernel: WebGpuKernel = kernel<typeof geluTanhBackward>(
  "geluTanhBackward",
  backward("geluTanh"),
  facts,
);
export const swigluKernel: WebGpuKernel = kernel<typeof swiglu>(
  "swiglu",
  (inputs, outputs) => gate("silu", inputs, outputs),
  facts,
);
export const swigluBackwardKernel: WebGpuKernel = kernel<typeof swigluBackward>(
  "swigluBackward",
  (inputs, outputs) => gateBackward("silu", inputs, outputs),
  facts,
);
export const gegluKernel: WebGpuKernel = kernel<typeof geglu>(
  "geglu",
  (inputs, outputs, { approximate }) => gate(geluOf(approximate), inputs, outputs),
  facts,
);
export const gegluBackwardKernel: WebGpuKernel = kernel<typeof gegluBackward>(
  "gegluBackward",
  (inputs, outputs, { approximate }) => gateBackward(geluOf(approximate), inputs, outputs),
  facts,
);
