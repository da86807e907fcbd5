/**
 * Eigenvalues that differ by less than this fraction of the largest magnitude are treated as a cluster: their
 * eigenvectors must be made orthogonal explicitly.
 */
const clusterGap = 1e-3;

/** The maximum number of inverse-iteration steps for one vector; 2 are usual. */
const mostSteps = 12;

/**
 * Returns the unit eigenvectors, as rows, of the symmetric tridiagonal matrix with `diagonal` [n] and off-diagonal
 * `beside` [n], whose last entry is 0. `values` are its eigenvalues in descending order. It uses inverse iteration, and
 * makes the vectors of nearly equal eigenvalues orthogonal. Ilse Ipsen 1997, Computing an eigenvector with inverse
 * iteration.
 */
export function tridiagonalVectors(diagonal: Float64Array, beside: Float64Array, values: Float64Array): Float64Array {
  const n = diagonal.length;
  const vectors = new Float64Array(values.length * n);
  const norm = diagonal.reduce((most, x, i) => Math.max(most, Math.abs(x) + Math.abs(beside[i])), 0);
  const scale = norm || 1;
  const limit = 4 * n * Number.EPSILON * scale;
  const random = randomNumbers();
  let cluster = 0;
  for (let i = 0; i < values.length; i++) {
    if (values[i - 1] - values[i] > clusterGap * scale) cluster = i;
    const x = vectors.subarray(i * n, (i + 1) * n);
    const lu = factor(diagonal, beside, values[i], Number.EPSILON * scale);
    const others = (): void => orthogonalise(x, vectors, cluster, i, n);
    for (let step = 0; step < mostSteps; step++) {
      if (step % 4 === 0) for (let j = 0; j < n; j++) x[j] = random();
      others();
      solve(lu, x);
      normalise(x);
      others();
      others();
      normalise(x);
      if (step % 4 > 0 && residual(diagonal, beside, values[i], x) <= limit) break;
    }
  }
  return vectors;
}

/** Returns a function that draws pseudo-random values from -1 to 1, the same ones in every run (Lehmer's generator). */
function randomNumbers(): () => number {
  let state = 1;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 1073741823.5 - 1;
  };
}

/**
 * The matrix T - λ after Gaussian elimination with row exchanges, where T is tridiagonal. `pivot`, `next` and
 * `afterNext` are the three diagonals of the upper triangle.
 */
interface Factored {
  readonly pivot: Float64Array;
  readonly next: Float64Array;
  readonly afterNext: Float64Array;
  readonly multiplier: Float64Array;
  /** For each row i: 1 if it was swapped with row i + 1. */
  readonly swapped: Uint8Array;
}

function factor(diagonal: Float64Array, beside: Float64Array, value: number, tiny: number): Factored {
  const n = diagonal.length;
  const pivot = diagonal.map((x) => x - value);
  const next = beside.slice();
  const [afterNext, multiplier, swapped] = [new Float64Array(n), new Float64Array(n), new Uint8Array(n)];
  for (let i = 0; i < n - 1; i++) {
    const below = beside[i];
    if (Math.abs(below) > Math.abs(pivot[i])) {
      swapped[i] = 1;
      multiplier[i] = pivot[i] / below;
      const right = next[i];
      [pivot[i], next[i], afterNext[i]] = [below, pivot[i + 1], next[i + 1]];
      pivot[i + 1] = right - multiplier[i] * next[i];
      next[i + 1] = -multiplier[i] * afterNext[i];
      continue;
    }
    if (pivot[i] === 0) pivot[i] = tiny;
    multiplier[i] = below / pivot[i];
    pivot[i + 1] -= multiplier[i] * next[i];
  }
  for (let i = 0; i < n; i++) if (Math.abs(pivot[i]) < tiny) pivot[i] = pivot[i] < 0 ? -tiny : tiny;
  return { pivot, next, afterNext, multiplier, swapped };
}

/** Solves (T - λ) y = x for y, and overwrites x with y. The first argument is the eliminated matrix T - λ. */
function solve({ pivot, next, afterNext, multiplier, swapped }: Factored, x: Float64Array): void {
  const n = x.length;
  for (let i = 0; i < n - 1; i++) {
    if (swapped[i]) [x[i], x[i + 1]] = [x[i + 1], x[i]];
    x[i + 1] -= multiplier[i] * x[i];
  }
  for (let i = n - 1; i >= 0; i--) {
    const one = i + 1 < n ? next[i] * x[i + 1] : 0;
    const two = i + 2 < n ? afterNext[i] * x[i + 2] : 0;
    x[i] = (x[i] - one - two) / pivot[i];
  }
}

/** Subtracts from x its components along rows `from` to `to` - 1 of `vectors`. */
function orthogonalise(x: Float64Array, vectors: Float64Array, from: number, to: number, n: number): void {
  for (let k = from; k < to; k++) {
    let along = 0;
    for (let j = 0; j < n; j++) along += x[j] * vectors[k * n + j];
    for (let j = 0; j < n; j++) x[j] -= along * vectors[k * n + j];
  }
}

function normalise(x: Float64Array): void {
  let most = 0;
  for (const value of x) most = Math.max(most, Math.abs(value));
  if (most === 0) return;
  let squares = 0;
  for (let j = 0; j < x.length; j++) {
    x[j] /= most;
    squares += x[j] * x[j];
  }
  const length = Math.sqrt(squares);
  for (let j = 0; j < x.length; j++) x[j] /= length;
}

/**
 * Returns the largest magnitude among the entries of (T - λ) x. T is the tridiagonal matrix with `diagonal` and
 * off-diagonal `beside`, and λ is `value`.
 */
function residual(diagonal: Float64Array, beside: Float64Array, value: number, x: Float64Array): number {
  let most = 0;
  for (let i = 0; i < x.length; i++) {
    const above = i > 0 ? beside[i - 1] * x[i - 1] : 0;
    const below = i + 1 < x.length ? beside[i] * x[i + 1] : 0;
    most = Math.max(most, Math.abs((diagonal[i] - value) * x[i] + above + below));
  }
  return most;
}
