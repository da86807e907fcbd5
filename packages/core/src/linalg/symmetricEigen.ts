/** Eigenvalues of a symmetric matrix, largest first, and their unit vectors as the rows of `vectors` [n, n]. */
export interface Eigen {
  readonly values: Float64Array;
  readonly vectors: Float64Array;
}

/** Rotations that a single eigenvalue may take; some 2 are usual. */
const mostRotations = 60;

/**
 * All eigenvalues and vectors of the symmetric `matrix` [n, n] in host memory, which is overwritten: Householder's
 * reduction to three diagonals, then implicit QL. Errors are some 1e-16 of the largest eigenvalue; n = 512 takes half a
 * second. Golub and Van Loan, Matrix Computations, 8.3.
 */
export function symmetricEigen(matrix: Float64Array, n: number): Eigen {
  const { diagonal, beside, vectors } = tridiagonal(matrix, n);
  diagonalise(diagonal, beside, vectors, n);
  const order = Array.from(diagonal.keys()).sort((a, b) => diagonal[b] - diagonal[a]);
  const sorted = new Float64Array(n * n);
  for (const [i, from] of order.entries()) sorted.set(vectors.subarray(from * n, (from + 1) * n), i * n);
  return { values: Float64Array.from(order, (i) => diagonal[i]), vectors: sorted };
}

/** Q and T with A = Qᵀ T Q, where T has `diagonal` and, beside it, `beside`. */
function tridiagonal(a: Float64Array, n: number) {
  const factors = new Float64Array(n);
  const beside = new Float64Array(n);
  const product = new Float64Array(n);
  for (let k = 0; k < n - 1; k++) {
    const row = a.subarray(k * n, (k + 1) * n);
    beside[k] = reflector(row, k + 1, factors, k);
    if (factors[k] !== 0) reflectBoth(a, row, factors[k], k + 1, product, n);
  }
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * n + i]);
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) vectors[i * n + i] = 1;
  for (let k = n - 2; k >= 0; k--) {
    if (factors[k] === 0) continue;
    const v = a.subarray(k * n, (k + 1) * n);
    for (let i = k + 1; i < n; i++) reflect(vectors.subarray(i * n, (i + 1) * n), v, factors[k], k + 1, n);
  }
  return { diagonal, beside, vectors };
}

/** Makes x from `start` on the v of the reflection 1 - f v vᵀ that leaves only its first entry, which is returned. */
function reflector(x: Float64Array, start: number, factors: Float64Array, k: number): number {
  let rest = 0;
  for (let i = start + 1; i < x.length; i++) rest += x[i] * x[i];
  const first = x[start];
  if (rest === 0) return first;
  const length = Math.sqrt(first * first + rest);
  const left = first > 0 ? -length : length;
  x[start] = first - left;
  factors[k] = 2 / (x[start] * x[start] + rest);
  return left;
}

/** The trailing block of `a`, from `start` on, between two reflections. */
function reflectBoth(a: Float64Array, v: Float64Array, f: number, start: number, product: Float64Array, n: number) {
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

function reflect(x: Float64Array, v: Float64Array, f: number, start: number, n: number): void {
  let sum = 0;
  for (let j = start; j < n; j++) sum += x[j] * v[j];
  sum *= f;
  for (let j = start; j < n; j++) x[j] -= sum * v[j];
}

/** Turns `diagonal` into the eigenvalues of T, rotating the rows of `vectors` along. */
function diagonalise(diagonal: Float64Array, beside: Float64Array, vectors: Float64Array, n: number): void {
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
      sweep(diagonal, beside, vectors, first, last, n);
    }
  }
}

/** One implicit QL step on rows first..last, with Wilkinson's shift. */
function sweep(d: Float64Array, e: Float64Array, vectors: Float64Array, first: number, last: number, n: number): void {
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
    rotate(vectors, i * n, (i + 1) * n, n, cosine, sine);
  }
  d[first] -= p;
  e[first] = g;
  e[last] = 0;
}

function rotate(vectors: Float64Array, at: number, next: number, n: number, cosine: number, sine: number): void {
  for (let k = 0; k < n; k++) {
    const [x, y] = [vectors[at + k], vectors[next + k]];
    vectors[next + k] = sine * x + cosine * y;
    vectors[at + k] = cosine * x - sine * y;
  }
}
