import { type Qr, singularValues, truncatedQr, truncatedSvd } from "@lowrank/core";

/** A matrix in host memory, row by row. */
export interface Matrix<A extends Float32Array | Float64Array = Float32Array> {
  values: A;
  rows: number;
  columns: number;
}

/** Matrices A [r, in] and B [out, r] in host memory, whose product B A is a weight's change. */
export interface HostFactors {
  a: Matrix;
  b: Matrix;
}

/**
 * Returns the best approximation of a matrix by a product B A of the given rank. B contains the left singular vectors
 * times the singular values, A the right singular vectors.
 */
export function matrixFactors({ values, rows, columns }: Matrix, rank: number): HostFactors {
  const r = Math.min(rank, rows, columns);
  const { values: s, left, right } = truncatedSvd(values, rows, columns, r);
  const b = Float32Array.from({ length: rows * r }, (_, i) => s[i % r] * left[(i % r) * rows + Math.floor(i / r)]);
  return {
    a: { values: Float32Array.from(right), rows: r, columns },
    b: { values: b, rows, columns: r },
  };
}

/**
 * Returns the best approximation of B A with a lower rank, without multiplying B A out. Uses the SVD of R₁ R₂ᵀ, where B
 * = Q₁ R₁ and Aᵀ = Q₂ R₂ are QR decompositions.
 */
export function productFactors(factors: HostFactors, rank: number): HostFactors {
  const { left: first, right: second, core, rows, columns } = productCore(factors);
  const [outputs, inputs] = [factors.b.rows, factors.a.columns];
  const r = Math.min(rank, rows, columns);
  const { values: s, left, right } = truncatedSvd(core, rows, columns, r);
  const newA = new Float32Array(r * inputs);
  const newB = new Float32Array(outputs * r);
  for (let k = 0; k < r; k++) {
    const [u, v] = [left.subarray(k * rows, (k + 1) * rows), right.subarray(k * columns, (k + 1) * columns)];
    for (let i = 0; i < inputs; i++) newA[k * inputs + i] = dot(second.q, i * columns, v);
    for (let i = 0; i < outputs; i++) newB[i * r + k] = s[k] * dot(first.q, i * rows, u);
  }
  return { a: { values: newA, rows: r, columns: inputs }, b: { values: newB, rows: outputs, columns: r } };
}

/** Returns the singular values of B A, largest first, without multiplying it out. */
export function productValues(factors: HostFactors): Float64Array {
  const { core, rows, columns } = productCore(factors);
  return singularValues(core, rows, columns);
}

/**
 * Returns the QR decompositions of B and of Aᵀ, and `core`, the product R₁ R₂ᵀ [rows, columns] of their R factors.
 * `core` has the singular values of B A.
 */
function productCore({ a, b }: HostFactors): {
  left: Qr;
  right: Qr;
  core: Float64Array;
  rows: number;
  columns: number;
} {
  const R = a.rows;
  const [rows, columns] = [Math.min(R, b.rows), Math.min(R, a.columns)];
  const left = truncatedQr(b.values, b.rows, R, rows);
  const right = truncatedQr(transposed(a).values, a.columns, R, columns);
  const core = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      for (let k = Math.max(i, j); k < R; k++) core[i * columns + j] += left.r[i * R + k] * right.r[j * R + k];
    }
  }
  return { left, right, core, rows, columns };
}

function dot(matrix: Float64Array, start: number, vector: Float64Array): number {
  let sum = 0;
  for (const [i, value] of vector.entries()) sum += matrix[start + i] * value;
  return sum;
}

/** Returns the transpose of a matrix. */
export function transposed({ values, rows, columns }: Matrix): Matrix {
  const out = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j];
  return { values: out, rows: columns, columns: rows };
}

/**
 * Clamps the elements of A and B to the range from -q to q, as PEFT does. q is the quantile `clamp` of all elements of
 * A and B together. It depends on the signs of the singular vectors, which an SVD does not determine, so PyTorch may
 * clamp other elements. Throws if q is not positive, unless all elements are 0.
 */
export function clamped({ a, b }: HostFactors, clamp: number): HostFactors {
  const all = new Float32Array(a.values.length + b.values.length);
  all.set(b.values);
  all.set(a.values, b.values.length);
  all.sort();
  const place = clamp * (all.length - 1);
  const below = Math.floor(place);
  const limit = all[below] + (place - below) * (all[Math.min(below + 1, all.length - 1)] - all[below]);
  if (limit <= 0 && all.some((value) => value !== 0)) {
    throw new Error(
      `addWeightedAdapter: svdClamp is ${clamp}, but that quantile of the factors is ${limit}, and factors can only be clamped to a limit above 0; give a larger svdClamp`,
    );
  }
  const cut = (matrix: Matrix): Matrix => ({
    ...matrix,
    values: matrix.values.map((value) => Math.min(Math.max(value, -limit), limit)),
  });
  return { a: cut(a), b: cut(b) };
}
