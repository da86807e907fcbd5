import { truncatedQr, truncatedSvd } from "@lowrank/core";
import { TorchGenerator } from "../../random/torchGenerator.ts";

/** Approximate singular vectors of a matrix [rows, columns], as rows [rank, rows] and [rank, columns]. */
export interface LowRankSvd {
  readonly values: Float64Array;
  readonly left: Float64Array;
  readonly right: Float64Array;
}

/**
 * Returns what `torch.svd_lowrank(matrix, q=rank, niter=turns)` returns after `torch.manual_seed(seed)`, except for
 * rounding and signs. It is computed in f64. The random start makes the last vectors differ from the exact ones. Halko
 * et al. 2009, https://arxiv.org/abs/0909.4061
 */
export function lowRankSvd(
  matrix: ArrayLike<number>,
  [rows, columns]: readonly [rows: number, columns: number],
  rank: number,
  seed: number,
  turns = 2,
): LowRankSvd {
  if (rows < columns) {
    const { values, left, right } = lowRankSvd(transposed(matrix, rows, columns), [columns, rows], rank, seed, turns);
    return { values, left: right, right: left };
  }
  const a = Float64Array.from(matrix);
  const flipped = transposed(a, rows, columns);
  const orthonormal = (x: Float64Array, size: number) => truncatedQr(x, size, rank, rank).q;
  const start = new TorchGenerator(seed).normal(columns * rank);
  let q = orthonormal(times(a, start, rows, columns, rank), rows);
  for (let i = 0; i < turns; i++) {
    q = orthonormal(times(flipped, q, columns, rows, rank), columns);
    q = orthonormal(times(a, q, rows, columns, rank), rows);
  }
  const small = times(transposed(q, rows, rank), a, rank, rows, columns);
  const { values, left, right } = truncatedSvd(small, rank, columns, rank);
  return { values, left: times(left, transposed(q, rows, rank), rank, rank, rows), right };
}

function transposed(a: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = a[i * columns + j];
  return out;
}

/** Returns a b for a [n, k] and b [k, m]. */
function times(a: ArrayLike<number>, b: ArrayLike<number>, n: number, k: number, m: number): Float64Array {
  const out = new Float64Array(n * m);
  for (let i = 0; i < n; i++) {
    for (let p = 0; p < k; p++) {
      const factor = a[i * k + p];
      for (let j = 0; j < m; j++) out[i * m + j] += factor * b[p * m + j];
    }
  }
  return out;
}
