import { truncatedQr, truncatedSvd } from "@lowrank/core";
import { symmetricEigen } from "@lowrank/core/internal";
import { Elimination } from "./elimination.ts";
import { complete } from "./weightSvd.ts";

/**
 * Returns the group of a layer: layers in the same position of different blocks share a basis. The name consists of the
 * last two parts of the path, as in PEFT.
 */
export function categoryOf(path: string): string {
  const parts = path.split(".");
  const [last, above, third] = [parts.at(-1) as string, parts.at(-2), parts.at(-3)];
  if (above === undefined || /^\d+$/.test(above)) return last;
  const category = `${above}_${last}`;
  return category === "output_dense" && third === "attention" ? "attention_output" : category;
}

/** Returns the number of a layer's block, or `otherwise` if its path lacks a number. */
export function blockOf(path: string, otherwise: number): number {
  const parts = path.split(".");
  const after = parts[parts.indexOf("layers") + 1];
  const number =
    parts.includes("layers") && /^[+-]?\d+$/.test(after ?? "") ? after : parts.find((part) => /^\d+$/.test(part));
  return number === undefined ? otherwise : Number(number);
}

/**
 * Returns the basis V [n, n] of the weights [out, n] of one category, row-major. Its columns are found in the joint
 * decomposition of all weights. `alpha` is added to the diagonals of matrices before they are inverted. Returns null if
 * one of these is singular.
 */
export function jointBasis(weights: readonly Float32Array[], n: number, alpha: number): Float64Array | null {
  const rows = weights.reduce((sum, { length }) => sum + length / n, 0);
  const stacked = new Float32Array(rows * n);
  let start = 0;
  for (const weight of weights) {
    stacked.set(weight, start);
    start += weight.length;
  }
  if (rows < n) {
    const vectors = new Float64Array(n * n);
    vectors.set(truncatedSvd(stacked, rows, n, rows).right);
    complete(vectors, n);
    return transposed(vectors, n);
  }
  const { q, r } = truncatedQr(stacked, rows, n, n);
  const mean = new Float64Array(n * n);
  start = 0;
  for (const { length } of weights) {
    const gram = columnGram(q.subarray(start, start + length), n);
    start += length;
    for (let i = 0; i < n; i++) gram[i * n + i] += alpha;
    const inverse = Elimination.of(gram, n)?.inverse();
    if (!inverse) return null;
    // The inverse of a symmetric matrix is symmetric except for rounding.
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) mean[i * n + j] += (inverse[i * n + j] + inverse[j * n + i]) / (2 * weights.length);
  }
  // PEFT has the smallest eigenvalue first.
  const { vectors } = symmetricEigen(mean, n);
  const basis = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    const vector = vectors.subarray((n - 1 - k) * n, (n - k) * n);
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let i = 0; i <= j; i++) sum += r[i * n + j] * vector[i];
      basis[j * n + k] = sum;
    }
  }
  return basis;
}

/** Returns aᵀ a for a row-major matrix with n columns. */
function columnGram(a: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let start = 0; start < a.length; start += n) {
    for (let i = 0; i < n; i++) {
      const factor = a[start + i];
      for (let j = 0; j < n; j++) out[i * n + j] += factor * a[start + j];
    }
  }
  return out;
}

function transposed(a: Float64Array, n: number): Float64Array {
  return a.map((_, i) => a[(i % n) * n + Math.floor(i / n)]);
}

/** The coordinates of a weight [out, n] in a basis: W = U diag(lengths) Vᵀ. */
export interface Coordinates {
  /** Columns of length 1, [out, n]. */
  readonly u: Float32Array;
  /** The lengths of the columns before they were divided by them, [n]. */
  readonly lengths: Float32Array;
}

/** Lengths of this size or less are 0, and so are their columns. */
const leastLength = 1e-12;

/** Singular values of a basis below this share of the largest one are treated as 0. */
const leastShare = 1e-6;

/** A basis V [n, n] of a category, in which weights are written. It is factored once for all layers. */
export class Basis {
  readonly #v: Float32Array;
  readonly #n: number;
  readonly #solver: Elimination | null;

  constructor(v: Float32Array, n: number) {
    this.#v = v;
    this.#n = n;
    this.#solver = Elimination.of(v, n);
  }

  /** Returns true if the basis has these values. */
  hasValues(v: Float32Array): boolean {
    return v.length === this.#v.length && v.every((value, i) => value === this.#v[i]);
  }

  /** Returns the coordinates of a weight [out, n]. */
  coordinates(weight: Float32Array): Coordinates {
    const n = this.#n;
    const rows = weight.length / n;
    const solve = this.#solver
      ? (row: Float32Array) => (this.#solver as Elimination).solve(row)
      : this.#pseudoInverse();
    const scaled = new Float64Array(rows * n);
    for (let i = 0; i < rows; i++) scaled.set(solve(weight.subarray(i * n, (i + 1) * n)), i * n);
    const squares = new Float64Array(n);
    for (let i = 0; i < scaled.length; i++) squares[i % n] += scaled[i] ** 2;
    const lengths = squares.map(Math.sqrt);
    const u = Float32Array.from(scaled, (x, i) => (lengths[i % n] > leastLength ? x / lengths[i % n] : 0));
    return { u, lengths: Float32Array.from(lengths) };
  }

  /** Returns the function that multiplies a row by the pseudoinverse of a singular basis. */
  #pseudoInverse(): (row: Float32Array) => Float64Array {
    const n = this.#n;
    const { values, left, right } = truncatedSvd(this.#v, n, n, n);
    return (row) => {
      const out = new Float64Array(n);
      for (let k = 0; k < n; k++) {
        if (!(values[k] > leastShare * values[0])) break;
        let part = 0;
        for (let i = 0; i < n; i++) part += row[i] * left[k * n + i];
        for (let i = 0; i < n; i++) out[i] += (part / values[k]) * right[k * n + i];
      }
      return out;
    };
  }
}
