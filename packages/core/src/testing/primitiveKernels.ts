import type { Backend, BackendOp, TensorSpec, View } from "../backends/backend.ts";
import { collapse, forEachRow } from "../layout/broadcast.ts";
import { broadcastStrides, sizeOf } from "../layout/shape.ts";
import { hostBackend } from "./hostBackend.ts";

/** A function that computes one op in plain loops. */
export type Loops = (inputs: View[], outputs: View[], params: never) => void;

/**
 * Multiplies two matrices: out[m, n] = a b, for a stored as [m, k] or its transpose, and b as [k, n] or its transpose.
 * Sums are in f64. `ia`, `ib` and `io` are the offsets of the matrices.
 */
function multiply(a: View, ia: number, b: View, ib: number, out: View, io: number, flags: Flags): void {
  const { m, n, k, transposeA, transposeB } = flags;
  const left = new Float64Array(k);
  const sums = new Float64Array(n);
  for (let i = 0; i < m; i++) {
    for (let x = 0; x < k; x++) left[x] = a.data[ia + (transposeA ? x * m + i : i * k + x)];
    sums.fill(0);
    if (transposeB) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let x = 0, at = ib + j * k; x < k; x++) sum += left[x] * b.data[at + x];
        sums[j] = sum;
      }
    } else {
      for (let x = 0; x < k; x++) {
        const factor = left[x];
        for (let j = 0, at = ib + x * n; j < n; j++) sums[j] += factor * b.data[at + j];
      }
    }
    out.data.set(sums, io + i * n);
  }
}

interface Flags {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

function matmul([a, b]: View[], [out]: View[], { transposeA = false, transposeB = false }: Partial<Flags>): void {
  const [m, n] = out.shape.slice(-2);
  const k = a.shape[a.shape.length - (transposeA ? 2 : 1)];
  const [batch, leadA, leadB] = [out, a, b].map(({ shape }) => shape.slice(0, -2));
  const flags = { m, n, k, transposeA, transposeB };
  if (sizeOf(batch) === 0) return;
  forEachRow(collapse(batch, [leadA, leadB]), (o, [i, j], count, [stepA, stepB]) => {
    for (let t = 0; t < count; t++) {
      multiply(a, (i + t * stepA) * m * k, b, (j + t * stepB) * k * n, out, (o + t) * m * n, flags);
    }
  });
}

/** Reduces x to the shape of `out`: joins each element of x, in order, with the result that it belongs to. */
function reduce(x: View, out: View, start: number, join: (sum: number, element: number) => number): void {
  const steps = broadcastStrides(out.shape, x.shape);
  const results = new Float64Array(out.size).fill(start);
  const position = x.shape.map(() => 0);
  let to = 0;
  for (let i = 0; i < x.size; i++) {
    results[to] = join(results[to], x.data[i]);
    for (let d = position.length - 1; d >= 0; d--) {
      to += steps[d];
      if (++position[d] < x.shape[d]) break;
      to -= steps[d] * x.shape[d];
      position[d] = 0;
    }
  }
  out.data.set(results);
}

const sum = (a: number, b: number): number => a + b;

/** Loops for ops whose `ref` this backend does not use. */
const ownLoops: Readonly<Record<string, Loops>> = {
  matmul,
  sumToShape: ([x], [out]) => reduce(x, out, 0, sum),
  amax: ([x], [out]) => reduce(x, out, -Infinity, Math.max),
};

/**
 * The names of the primitives: the ops from which all other ops can be composed. Their products take only f32 weights.
 */
export const primitiveNames: ReadonlySet<string> = new Set([
  ...["add", "mul", "div", "maximum", "pow", "affine"],
  ...["exp", "log", "sqrt", "sin", "cos", "tanh", "erf"],
  ...["compare", "where", "to", "inRange"],
  ...["matmul", "sumToShape", "amax"],
  ...["expand", "permute", "slice", "place", "cat", "copyInto"],
  ...["gather", "scatterAdd", "indexSelect", "quantize4bit"],
]);

/** Returns the loops of a primitive op, or undefined for other ops and for products with weights that are not f32. */
export function primitiveLoops<P>(op: BackendOp<P>, inputs: readonly TensorSpec[]): Loops | undefined {
  if (!primitiveNames.has(op.name) || (op.name === "matmul" && inputs[1].dtype !== "f32")) return undefined;
  return ownLoops[op.name] ?? (op.ref as Loops | undefined);
}

/**
 * Returns a backend for tests that has kernels only for `primitiveNames`; all other ops run as compositions of these.
 * It shows the least that a new backend must implement, and it tests the compositions.
 */
export function primitives(): Backend {
  return hostBackend({ name: "primitives", deferred: false, loopsOf: primitiveLoops });
}
