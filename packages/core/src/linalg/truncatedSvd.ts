import { symmetricEigen, symmetricEigenvalues } from "./symmetricEigen.ts";

/** The largest singular values of a matrix [rows, columns], with their singular vectors as rows. */
export interface Svd {
  /** The singular values, [rank], largest first. */
  readonly values: Float64Array;
  /** The left singular vectors, [rank, rows]. A row is zero if its singular value is below 1e-8 of the largest one. */
  readonly left: Float64Array;
  /** The right singular vectors, [rank, columns]. */
  readonly right: Float64Array;
}

/**
 * Singular values below this fraction of the largest one are rounding noise. They are square roots of a Gram matrix's
 * eigenvalues, whose relative errors are about 1e-16.
 */
const noise = 1e-8;

/**
 * Returns the `rank` largest singular values of a row-major matrix and their vectors. It computes the eigenvalues of
 * the smaller Gram matrix in f64, which is exact enough for f32 data. A matrix [1536, 576] takes a second. The entry of
 * largest magnitude in each right vector is positive, so that signs are reproducible. Throws unless `rank` is from 1 to
 * min(rows, columns).
 */
export function truncatedSvd(matrix: ArrayLike<number>, rows: number, columns: number, rank: number): Svd {
  const smaller = Math.min(rows, columns);
  if (!Number.isInteger(rank) || rank < 1 || rank > smaller) {
    throw new Error(`truncatedSvd: rank ${rank} of a matrix [${rows},${columns}] must be from 1 to ${smaller}`);
  }
  const a = Float64Array.from(matrix);
  const wide = rows < columns;
  const square = smallerGram(a, rows, columns);
  const { values: squares, vectors: known } = symmetricEigen(square, smaller, rank);
  const values = squares.map((value) => Math.sqrt(Math.max(value, 0)));
  const other = wide ? timesMatrix(known, a, rank, rows, columns) : timesTransposed(known, a, rank, rows, columns);
  const length = Math.max(rows, columns);
  for (let i = 0; i < rank; i++) normalise(other.subarray(i * length, (i + 1) * length), values[i], values[0]);
  const [left, right] = wide ? [known, other] : [other, known];
  for (let i = 0; i < rank; i++)
    orient(left.subarray(i * rows, (i + 1) * rows), right.subarray(i * columns, (i + 1) * columns));
  return { values, left, right };
}

/** Returns x a for x [rank, rows]. */
function timesMatrix(x: Float64Array, a: Float64Array, rank: number, rows: number, columns: number): Float64Array {
  const out = new Float64Array(rank * columns);
  for (let r = 0; r < rank; r++) {
    for (let i = 0; i < rows; i++) {
      const factor = x[r * rows + i];
      for (let j = 0; j < columns; j++) out[r * columns + j] += factor * a[i * columns + j];
    }
  }
  return out;
}

/** Returns x aᵀ for x [rank, columns]. */
function timesTransposed(x: Float64Array, a: Float64Array, rank: number, rows: number, columns: number): Float64Array {
  const out = new Float64Array(rank * rows);
  for (let r = 0; r < rank; r++) {
    for (let i = 0; i < rows; i++) {
      let sum = 0;
      for (let j = 0; j < columns; j++) sum += x[r * columns + j] * a[i * columns + j];
      out[r * rows + i] = sum;
    }
  }
  return out;
}

function normalise(vector: Float64Array, value: number, largest: number): void {
  if (value <= noise * largest) {
    vector.fill(0);
    return;
  }
  for (let i = 0; i < vector.length; i++) vector[i] /= value;
}

/** Makes the entry of largest magnitude in the right vector positive, by negating both vectors if necessary. */
function orient(left: Float64Array, right: Float64Array): void {
  let most = 0;
  for (const x of right) if (Math.abs(x) > Math.abs(most)) most = x;
  if (most >= 0) return;
  for (const vector of [left, right]) for (let i = 0; i < vector.length; i++) vector[i] = -vector[i];
}

/**
 * Returns all singular values of a row-major matrix [rows, columns], in descending order. They are computed as in
 * `truncatedSvd`, but without vectors. Values below 1e-8 of the largest one are rounding noise.
 */
export function singularValues(matrix: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const square = smallerGram(Float64Array.from(matrix), rows, columns);
  return symmetricEigenvalues(square, Math.min(rows, columns)).map((value) => Math.sqrt(Math.max(value, 0)));
}

/**
 * Returns the smaller of A Aᵀ and Aᵀ A for a row-major matrix A [rows, columns]. Its eigenvalues are the squares of A's
 * singular values.
 */
export function smallerGram(a: Float64Array, rows: number, columns: number): Float64Array {
  return rows < columns ? gram(a, rows, columns) : gram(transpose(a, rows, columns), columns, rows);
}

function transpose(a: Float64Array, rows: number, columns: number): Float64Array {
  const out = new Float64Array(a.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = a[i * columns + j];
  return out;
}

/** Returns a aᵀ for a [n, k]. It computes four sums at the same time, which is faster because they are independent. */
function gram(a: Float64Array, n: number, k: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j += 4) {
      const [x, y] = [i * k, j * k];
      // Indices beyond the last row read the last row, and are not stored.
      const [y1, y2, y3] = [1, 2, 3].map((d) => Math.min(j + d, n - 1) * k);
      let [s0, s1, s2, s3] = [0, 0, 0, 0];
      for (let p = 0; p < k; p++) {
        const factor = a[x + p];
        s0 += factor * a[y + p];
        s1 += factor * a[y1 + p];
        s2 += factor * a[y2 + p];
        s3 += factor * a[y3 + p];
      }
      for (const [d, sum] of [s0, s1, s2, s3].entries()) {
        if (j + d > i) break;
        out[i * n + j + d] = sum;
        out[(j + d) * n + i] = sum;
      }
    }
  }
  return out;
}
