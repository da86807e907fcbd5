import { tridiagonalVectors } from "./tridiagonalVectors.ts";

/** The largest eigenvalues of a symmetric matrix, in descending order, with their eigenvectors. */
export interface Eigen {
  /** The eigenvalues, [count]. */
  readonly values: Float64Array;
  /** The unit eigenvectors, as rows [count, n]. */
  readonly vectors: Float64Array;
}

/** The maximum number of QL steps for one eigenvalue; about 2 are usual. */
const mostRotations = 60;

/**
 * Returns the `count` largest eigenvalues of the symmetric `matrix` [n, n] and their eigenvectors. Overwrites `matrix`.
 * It uses Householder's reduction to tridiagonal form, implicit QL for the values, and inverse iteration for the
 * vectors. Errors are about 1e-15 of the largest magnitude. Golub and Van Loan, Matrix Computations, 8.3 and 8.4.
 */
export function symmetricEigen(matrix: Float64Array, n: number, count: number = n): Eigen {
  const { diagonal, beside, reflections } = tridiagonal(matrix, n);
  const values = eigenvalues(diagonal.slice(), beside.slice(), n).sort().reverse().slice(0, count);
  const vectors = tridiagonalVectors(diagonal, beside, values);
  for (let i = 0; i < count; i++) {
    for (const { v, f, start } of reflections.toReversed()) reflect(vectors.subarray(i * n), v, f, start);
  }
  return { values, vectors };
}

/**
 * Returns all eigenvalues of the symmetric `matrix` [n, n], in descending order. Overwrites `matrix`. It is much faster
 * than `symmetricEigen`, because it computes no eigenvectors.
 */
export function symmetricEigenvalues(matrix: Float64Array, n: number): Float64Array {
  const { diagonal, beside } = tridiagonal(matrix, n);
  return eigenvalues(diagonal, beside, n).sort().reverse();
}

/**
 * Reduces a symmetric matrix to tridiagonal form: A = Q T Qᵀ. Returns the diagonal of T, the off-diagonal of T
 * (`beside`), and the reflections whose product is Q. The vectors of the reflections are stored in the rows of `a`.
 */
function tridiagonal(a: Float64Array, n: number) {
  const reflections: Reflection[] = [];
  const beside = new Float64Array(n);
  const product = new Float64Array(n);
  for (let k = 0; k < n - 1; k++) {
    const row = a.subarray(k * n, (k + 1) * n);
    const { left, ...reflection } = reflector(row, k + 1);
    beside[k] = left;
    reflections.push(reflection);
    reflectBoth(a, reflection, product, n);
  }
  return { diagonal: Float64Array.from({ length: n }, (_, i) => a[i * n + i]), beside, reflections };
}

/** The Householder reflection 1 - f v vᵀ, which changes only the entries from `start` on. */
interface Reflection {
  readonly v: Float64Array;
  readonly f: number;
  readonly start: number;
}

/**
 * Computes the reflection that turns `v` into a vector whose only nonzero entry, from `start` on, is at `start`. That
 * entry is returned as `left`. Overwrites `v` with the vector of the reflection.
 */
function reflector(v: Float64Array, start: number): Reflection & { readonly left: number } {
  let rest = 0;
  for (let i = start + 1; i < v.length; i++) rest += v[i] * v[i];
  const first = v[start];
  if (rest === 0) return { v, f: 0, start, left: first };
  const length = Math.sqrt(first * first + rest);
  const left = first > 0 ? -length : length;
  v[start] = first - left;
  return { v, f: 2 / (v[start] * v[start] + rest), start, left };
}

/** Applies a reflection from both sides to the block of `a` that starts at row and column `start`. */
function reflectBoth(a: Float64Array, { v, f, start }: Reflection, product: Float64Array, n: number) {
  let along = 0;
  for (let i = start; i < n; i++) {
    let sum = 0;
    for (let j = start; j < n; j++) sum += a[i * n + j] * v[j];
    product[i] = f * sum;
    along += product[i] * v[i];
  }
  for (let i = start; i < n; i++) product[i] -= (f / 2) * along * v[i];
  for (let i = start; i < n; i++) {
    const [vi, pi] = [v[i], product[i]];
    for (let j = start; j < n; j++) a[i * n + j] -= vi * product[j] + pi * v[j];
  }
}

function reflect(x: Float64Array, v: Float64Array, f: number, start: number): void {
  let sum = 0;
  for (let j = start; j < v.length; j++) sum += x[j] * v[j];
  sum *= f;
  for (let j = start; j < v.length; j++) x[j] -= sum * v[j];
}

/** Returns all eigenvalues of the tridiagonal matrix T, unsorted. Overwrites both arrays. */
function eigenvalues(diagonal: Float64Array, beside: Float64Array, n: number): Float64Array {
  for (let first = 0; first < n; first++) {
    for (let rotations = 0; ; rotations++) {
      let last = first;
      while (last < n - 1) {
        const scale = Math.abs(diagonal[last]) + Math.abs(diagonal[last + 1]);
        if (Math.abs(beside[last]) <= Number.EPSILON * scale) break;
        last++;
      }
      if (last === first) break;
      if (rotations === mostRotations) {
        throw new Error("symmetricEigen: no convergence; does the matrix hold a NaN or an infinity?");
      }
      sweep(diagonal, beside, first, last);
    }
  }
  return diagonal;
}

/** Does one implicit QL step on rows first..last, with Wilkinson's shift. */
function sweep(d: Float64Array, e: Float64Array, first: number, last: number): void {
  const half = (d[first + 1] - d[first]) / (2 * e[first]);
  const root = Math.hypot(half, 1);
  let g = d[last] - d[first] + e[first] / (half + (half < 0 ? -root : root));
  let [sine, cosine, p] = [1, 1, 0];
  for (let i = last - 1; i >= first; i--) {
    const f = sine * e[i];
    const b = cosine * e[i];
    const r = Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) {
      d[i + 1] -= p;
      e[last] = 0;
      return;
    }
    sine = f / r;
    cosine = g / r;
    const shifted = d[i + 1] - p;
    const t = (d[i] - shifted) * sine + 2 * cosine * b;
    p = sine * t;
    d[i + 1] = shifted + p;
    g = cosine * t - b;
  }
  d[first] -= p;
  e[first] = g;
  e[last] = 0;
}
