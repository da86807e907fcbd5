/** The first `rank` columns of Q and rows of R in a QR decomposition. */
export interface Qr {
  /** The columns of Q, [rows, rank]. They are orthonormal. */
  readonly q: Float64Array;
  /** The rows of R, [rank, columns], with zeros below the diagonal. */
  readonly r: Float64Array;
}

/**
 * Returns the first `rank` columns and rows of the QR decomposition of a row-major matrix [rows, columns] in host
 * memory, by Householder reflections in f64. Signs are as in LAPACK, and so as in PyTorch. Throws unless `rank` is from
 * 1 to min(rows, columns).
 */
export function truncatedQr(matrix: ArrayLike<number>, rows: number, columns: number, rank: number): Qr {
  const smaller = Math.min(rows, columns);
  if (!Number.isInteger(rank) || rank < 1 || rank > smaller) {
    throw new Error(`truncatedQr: rank ${rank} of a matrix [${rows},${columns}] must be from 1 to ${smaller}`);
  }
  const a = Float64Array.from(matrix);
  const reflections = Array.from({ length: rank }, (_, k) => {
    const v = reflection(a, rows, columns, k);
    reflect(a, columns, v, k, k);
    return v;
  });
  const q = new Float64Array(rows * rank);
  for (let k = 0; k < rank; k++) q[k * rank + k] = 1;
  for (let k = rank - 1; k >= 0; k--) reflect(q, rank, reflections[k], k, k);
  const r = a.slice(0, rank * columns);
  for (let i = 1; i < rank; i++) r.fill(0, i * columns, i * columns + i);
  return { q, r };
}

/**
 * Returns the vector v, of length √2, of the reflection I - v vᵀ that makes column k zero below row k. Returns null if
 * it is zero there already.
 */
function reflection(a: Float64Array, rows: number, columns: number, k: number): Float64Array | null {
  const v = new Float64Array(rows - k);
  let below = 0;
  for (let i = 0; i < v.length; i++) {
    v[i] = a[(k + i) * columns + k];
    if (i > 0) below += v[i] * v[i];
  }
  if (below === 0) return null;
  const length = Math.sqrt(v[0] * v[0] + below);
  v[0] += v[0] >= 0 ? length : -length;
  const scale = Math.SQRT2 / Math.sqrt(v[0] * v[0] + below);
  return v.map((x) => x * scale);
}

/** Applies the reflection I - v vᵀ to the part of a row-major matrix from `row` and `column` on. */
function reflect(a: Float64Array, columns: number, v: Float64Array | null, row: number, column: number): void {
  if (v === null) return;
  const products = new Float64Array(columns);
  for (let i = 0; i < v.length; i++) {
    const start = (row + i) * columns;
    for (let j = column; j < columns; j++) products[j] += v[i] * a[start + j];
  }
  for (let i = 0; i < v.length; i++) {
    const start = (row + i) * columns;
    for (let j = column; j < columns; j++) a[start + j] -= v[i] * products[j];
  }
}
