import type { TensorSpec } from "../../backends/backend.ts";
import { scalarLike } from "../../creation/create.ts";
import { tensor } from "../../creation/makeTensor.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape, sameShape, sizeOf } from "../../layout/shape.ts";
import { compare } from "../binary/compare.ts";
import { div } from "../binary/div.ts";
import { mul } from "../binary/mul.ts";
import { sub } from "../binary/sub.ts";
import { where } from "../binary/where.ts";
import { max } from "../reductions/max.ts";
import { cat } from "../shapes/cat.ts";
import { expand } from "../shapes/expand.ts";
import { gather } from "../shapes/gather.ts";
import { permute } from "../shapes/permute.ts";
import { reshape } from "../shapes/reshape.ts";
import { slice } from "../shapes/slice.ts";
import { inRange } from "../shared/inRange.ts";
import { abs } from "../unary/abs.ts";
import { affine } from "../unary/affine.ts";
import { to } from "../unary/to.ts";
import { matmul } from "./matmul.ts";

const at = (t: Tensor, dim: number, k: number): Tensor => slice(t, { dim, start: k, end: k + 1 });

/**
 * Swaps row k of the matrices [A | B] with the pivot row: of the rows from k on, the one with the largest magnitude in
 * column k. `places`, i32 [1, n, 1], holds the row indices 0 to n - 1.
 */
function exchange(rows: Tensor, k: number, places: Tensor): Tensor {
  const scalar = tensor(k, { dtype: "i32", backend: rows.storage.backend });
  const open = where(compare(places, scalar, { relation: "ge" }), abs(at(rows, 2, k)), scalarLike(rows, -1));
  const [, pivot] = max(open, { dim: 1 });
  const others = where(compare(places, pivot, { relation: "eq" }), scalar, places);
  const order = where(compare(places, scalar, { relation: "eq" }), pivot, others);
  return gather(rows, expand(order, { shape: rows.shape }), { dim: 1 });
}

/** Computes `solve` from other ops: Gauss-Jordan elimination in f32, with partial pivoting. */
function composeSolve(a: Tensor, b: Tensor, transposeA: boolean, singular: (batch: number) => Error): Tensor {
  const [n, m] = b.shape.slice(-2);
  if (b.size === 0) return affine(b, {});
  const count = b.size / (n * m);
  const square = reshape(a, { shape: [count, n, n] });
  const left = transposeA ? permute(square, { dims: [0, 2, 1] }) : square;
  const { backend } = a.storage;
  const places = tensor(
    Int32Array.from({ length: n }, (_, i) => i),
    { shape: [1, n, 1], backend },
  );
  let rows = cat(left, reshape(b, { shape: [count, n, m] }), { dim: 2 });
  for (let k = 0; k < n; k++) {
    rows = exchange(rows, k, places);
    const isPivot = compare(places, tensor(k, { dtype: "i32", backend }), { relation: "eq" });
    const zero = scalarLike(rows, 0);
    const pivot = at(at(rows, 1, k), 2, k);
    const usable = to(compare(pivot, zero, { relation: "ne" }), { dtype: "i32" });
    inRange(usable, { low: 1, error: (_value, batch) => singular(batch) });
    const pivotRow = div(at(rows, 1, k), pivot);
    rows = where(isPivot, pivotRow, sub(rows, mul(at(rows, 2, k), pivotRow)));
  }
  return reshape(slice(rows, { dim: 2, start: n }), { shape: b.shape });
}

/** Options of `solve`. */
export interface SolveParams {
  /** True to solve Aᵀ X = B instead of A X = B. Default false. */
  readonly transposeA?: boolean;
}

function sizes(inputs: readonly TensorSpec[]) {
  const [a, b] = inputs.map(({ shape }) => shape);
  const n = a[a.length - 1];
  const fits =
    a.length >= 2 &&
    a.length === b.length &&
    a[a.length - 2] === n &&
    b[b.length - 2] === n &&
    sameShape(a.slice(0, -2), b.slice(0, -2));
  if (!fits) {
    throw new Error(`solve: A ${formatShape(a)} [...,n,n] and B ${formatShape(b)} [...,n,m] do not fit`);
  }
  return { n, m: b[b.length - 1], count: sizeOf(a.slice(0, -2)) };
}

/**
 * Solves a y = x by Gaussian elimination with partial pivoting: overwrites x [n, m] with the solution, and a [n, n]
 * with intermediate values. Returns false if a is singular.
 */
function eliminate(a: Float64Array, x: Float64Array, n: number, m: number): boolean {
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(a[i * n + k]) > Math.abs(a[pivot * n + k])) pivot = i;
    if (a[pivot * n + k] === 0) return false;
    for (let j = 0; j < n; j++) [a[k * n + j], a[pivot * n + j]] = [a[pivot * n + j], a[k * n + j]];
    for (let j = 0; j < m; j++) [x[k * m + j], x[pivot * m + j]] = [x[pivot * m + j], x[k * m + j]];
    for (let i = k + 1; i < n; i++) {
      const factor = a[i * n + k] / a[k * n + k];
      for (let j = k; j < n; j++) a[i * n + j] -= factor * a[k * n + j];
      for (let j = 0; j < m; j++) x[i * m + j] -= factor * x[k * m + j];
    }
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let j = 0; j < m; j++) {
      let sum = x[i * m + j];
      for (let k = i + 1; k < n; k++) sum -= a[i * n + k] * x[k * m + j];
      x[i * m + j] = sum / a[i * n + i];
    }
  }
  return true;
}

function singular(batch: number, { shape }: TensorSpec): Error {
  return new Error(`solve: matrix ${batch} of A ${formatShape(shape)} is singular`);
}

/**
 * Solves A X = B for X, for A [..., n, n] and B [..., n, m] with equal leading sizes, computed in f64. Throws for a
 * singular matrix.
 */
export const solve: Op<2, SolveParams> = defineOp({
  name: "solve",
  arity: 2,
  options: { transposeA: true },
  shape: (inputs) => {
    for (const i of [0, 1]) expectDType("solve", inputs, i, "f32");
    sizes(inputs);
    return { shape: inputs[1].shape, dtype: "f32" };
  },
  ref: ([a, b], [out], { transposeA }) => {
    const { n, m, count } = sizes([a, b]);
    const left = new Float64Array(n * n);
    for (let batch = 0; batch < count; batch++) {
      const from = batch * n * n;
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) left[i * n + j] = a.data[from + (transposeA ? j * n + i : i * n + j)];
      }
      const right = Float64Array.from({ length: n * m }, (_, i) => b.data[batch * n * m + i]);
      if (!eliminate(left, right, n, m)) throw singular(batch, a);
      for (const [i, value] of right.entries()) out.data[batch * n * m + i] = value;
    }
  },
  compose: ([a, b], { transposeA = false }) => composeSolve(a, b, transposeA, (batch) => singular(batch, a)),
  fault: (batch, _value, [a]) => singular(batch, a),
  saves: (needs) => ({ inputs: [0], outputs: needs[0] ? [0] : [] }),
  vjp: ({ grads: [dx], inputs: [a], outputs: [x], needs, params: { transposeA = false } }) => {
    const db = solve(a, dx, { transposeA: !transposeA });
    if (!needs[0]) return [null, db];
    const da = transposeA ? matmul(x, db, { transposeB: true }) : matmul(db, x, { transposeB: true });
    return [affine(da, { scale: -1 }), db];
  },
});
