import type {
  affine,
  CompareParams,
  clamp,
  compare,
  dropoutOp,
  geglu,
  gegluBackward,
  Op,
  swiglu,
  swigluBackward,
  where,
} from "@lowrank/core/backend";
import { collapse, forEachPlane, sameShape } from "@lowrank/core/backend";
import { kernel, type WasmKernel } from "./kernel.ts";

/** Ops with one f32 input and no parameters. For each, the WebAssembly module exports a function with the op's name. */
const unaryOps = [
  "abs",
  "cos",
  "erf",
  "exp",
  "gelu",
  "geluTanh",
  "log",
  "reciprocal",
  "relu",
  "rsqrt",
  "sigmoid",
  "sign",
  "silu",
  "sin",
  "softplus",
  "sqrt",
  "square",
  "tanh",
] as const;

/** Ops that compute gradients of activations, with the inputs dy and x. */
const activationGradients = ["geluBackward", "geluTanhBackward", "siluBackward"] as const;

/** Ops that compute an element from two f32 tensors, which broadcast to a common shape. */
const binaryOps = ["add", "div", "maximum", "minimum", "mul", "pow", "sub"] as const;

/**
 * A WebAssembly kernel for two operands viewed as `rows` x `n` elements. Each operand has an address, a stride between
 * rows, and a stride within a row (0 or 1), in elements. The output is contiguous.
 */
type PlaneKernel = (
  a: number,
  b: number,
  out: number,
  rows: number,
  n: number,
  aRow: number,
  bRow: number,
  aStep: number,
  bStep: number,
) => void;

function unary(op: (typeof unaryOps)[number]): WasmKernel {
  return kernel<Op<1>>(op, (k, [x], [out]) => k[op](x.ptr, out.ptr, out.size));
}

function activationGradient(op: (typeof activationGradients)[number]): WasmKernel {
  return kernel<Op<2>>(op, (k, [dy, x], [out]) => k[op](dy.ptr, x.ptr, out.ptr, out.size));
}

function binary(op: (typeof binaryOps)[number]): WasmKernel {
  return kernel<Op<2>>(op, (k, [a, b], [out]) => {
    const run: PlaneKernel = k[op];
    if (sameShape(a.shape, b.shape)) {
      run(a.ptr, b.ptr, out.ptr, 1, out.size, 0, 0, 1, 1);
      return;
    }
    forEachPlane(collapse(out.shape, [a.shape, b.shape]), (o, [i, j], { rows, length, row, inner }) => {
      run(a.ptr + 4 * i, b.ptr + 4 * j, out.ptr + 4 * o, rows, length, row[0], row[1], inner[0], inner[1]);
    });
  });
}

/** The number by which the WebAssembly kernels identify each comparison. */
const relations: Record<CompareParams["relation"], number> = { eq: 0, ne: 1, lt: 2, le: 3, gt: 4, ge: 5 };

/**
 * Kernels of elementwise ops: they compute each element of the output from the corresponding elements of the inputs.
 */
export const elementwiseKernels: readonly WasmKernel[] = [
  ...unaryOps.map(unary),
  ...activationGradients.map(activationGradient),
  ...binaryOps.map(binary),
  kernel<typeof affine>("affine", (k, [x], [out], { scale = 1, shift = 0 }) =>
    k.affine(x.ptr, out.ptr, out.size, scale, shift),
  ),
  kernel<typeof clamp>("clamp", (k, [x], [out], { min = -Infinity, max = Infinity }) =>
    k.clamp(x.ptr, out.ptr, out.size, min, max),
  ),
  kernel<typeof compare>("compare", (k, [a, b], [out], { relation }) => {
    const kind = relations[relation];
    const run = a.dtype === "i32" ? k.compareInt : k.compare;
    forEachPlane(collapse(out.shape, [a.shape, b.shape]), (o, [i, j], { rows, length, row, inner }) => {
      run(a.ptr + 4 * i, b.ptr + 4 * j, out.ptr + o, rows, length, row[0], row[1], inner[0], inner[1], kind);
    });
  }),
  kernel<typeof where>("where", (k, [condition, a, b], [out]) => {
    const traversal = collapse(out.shape, [condition.shape, a.shape, b.shape]);
    forEachPlane(traversal, (o, [c, i, j], { rows, length, row, inner }) => {
      const [cp, ap, bp, op] = [condition.ptr + c, a.ptr + 4 * i, b.ptr + 4 * j, out.ptr + 4 * o];
      k.where(cp, ap, bp, op, rows, length, row[0], row[1], row[2], inner[0], inner[1], inner[2]);
    });
  }),
  kernel<typeof dropoutOp>("dropout", (k, [x], [out], { p, state: { seed, stream, offset } }) => {
    const [low, high] = stream;
    const threshold = Math.ceil(p * 2 ** 24);
    k.dropout(x.ptr, out.ptr, x.size, offset, seed, Math.floor(seed / 2 ** 32), low, high, threshold, 1 / (1 - p));
  }),
  kernel<typeof geglu>("geglu", (k, [gate, up], [out], { approximate }) => {
    k.geglu(gate.ptr, up.ptr, out.ptr, out.size, approximate === "tanh" ? 1 : 0);
  }),
  kernel<typeof gegluBackward>("gegluBackward", (k, [dy, gate, up], [dgate, dup], { approximate }) => {
    k.gegluBackward(dy.ptr, gate.ptr, up.ptr, dgate.ptr, dup.ptr, dy.size, approximate === "tanh" ? 1 : 0);
  }),
  kernel<typeof swiglu>("swiglu", (k, [gate, up], [out]) => k.swiglu(gate.ptr, up.ptr, out.ptr, out.size)),
  kernel<typeof swigluBackward>("swigluBackward", (k, [dy, gate, up], [dgate, dup]) => {
    k.swigluBackward(dy.ptr, gate.ptr, up.ptr, dgate.ptr, dup.ptr, dy.size);
  }),
];
