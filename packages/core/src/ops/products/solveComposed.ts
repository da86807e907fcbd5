import { scalarLike } from "../../creation/create.ts";
import { tensor } from "../../creation/makeTensor.ts";
import type { Tensor } from "../../engine/tensor.ts";
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

const at = (t: Tensor, dim: number, k: number): Tensor => slice(t, { dim, start: k, end: k + 1 });

/**
 * Swaps row k of the matrices [A | B] with the pivot row: of the rows from k on, the one with the largest magnitude in
 * column k. `places` holds the row numbers.
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
export function composeSolve(a: Tensor, b: Tensor, transposeA: boolean, singular: (batch: number) => Error): Tensor {
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
