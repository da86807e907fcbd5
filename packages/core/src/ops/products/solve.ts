import type { TensorSpec } from "../../backends/backend.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { formatShape, sameShape, sizeOf } from "../../layout/shape.ts";
import { affine } from "../unary/affine.ts";
import { matmul } from "./matmul.ts";
import { composeSolve } from "./solveComposed.ts";

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
