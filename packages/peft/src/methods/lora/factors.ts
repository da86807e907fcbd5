import {
  matmul,
  mul,
  noGrad,
  OptionError,
  scope,
  type Tensor,
  tensor,
  to,
  truncatedQr,
  truncatedSvd,
  zeros,
} from "@lowrank/core";
import { subspaceSvd } from "./subspaceSvd.ts";

/** Two factors whose product B A approximates a matrix [out, in]: A [r, in], B [out, r]. */
export interface Factors {
  a: Tensor;
  b: Tensor;
}

/** Throws if the rank exceeds the weight's smaller dimension. The message names the initialisation `init`. */
export function checkRank(init: string, rank: number, [rows, columns]: readonly number[]): void {
  const most = Math.min(rows, columns);
  if (rank > most) {
    const problem = `the rank is ${rank}; a weight [${rows},${columns}] allows at most ${most}`;
    throw new OptionError("", "initLoraWeights", init, `"${init}": ${problem}`);
  }
}

/**
 * Returns a weight in f32 as [out, in]. `transposed` means that `weight` is stored as [in, out]. The caller frees the
 * result.
 */
export function fullWeight(weight: Tensor, transposed: boolean): Tensor {
  return noGrad(() =>
    scope(() => {
      const w = to(weight.detach(), { dtype: "f32" });
      return transposed ? w.transpose(0, 1) : w;
    }),
  );
}

/**
 * Returns factors A and B so that B A is the best rank-r approximation of an f32 matrix, divided by `divisor`. Each
 * factor contains the square roots of the singular values. The caller frees both factors.
 */
export function svdFactors(w: Tensor, r: number, divisor = 1): Promise<Factors> {
  return factorsOf(w, r, (matrix, rows, columns) => {
    const { values, left, right } = truncatedSvd(matrix, rows, columns, r);
    const roots = values.map((value) => Math.sqrt(value / divisor));
    const a = Float32Array.from(right, (x, i) => x * roots[Math.floor(i / columns)]);
    const b = Float32Array.from(
      { length: rows * r },
      (_, i) => roots[i % r] * left[(i % r) * rows + Math.floor(i / r)],
    );
    return { a, b };
  });
}

/**
 * Approximates the result of `svdFactors` by `turns` subspace iterations, which is faster for large weights. The caller
 * frees both factors.
 */
export async function subspaceFactors(w: Tensor, r: number, divisor: number, turns: number): Promise<Factors> {
  const [rows, columns] = w.shape;
  const { backend } = w.storage;
  if (backend.dataless) return { a: zeros([r, columns], { backend }), b: zeros([rows, r], { backend }) };
  const { values, right } = await subspaceSvd(w, r, turns);
  const scales = values.map((value) => Math.sqrt(value / divisor));
  // The product W v equals σ u. Scales u like v.
  const shares = values.map((value, k) => (value > 0 ? scales[k] / value : 0));
  return noGrad(() =>
    scope(() => {
      const vectors = tensor(right, { shape: [r, columns], backend });
      const scaled = (by: ArrayLike<number>) => tensor(Float32Array.from(by), { shape: [r, 1], backend });
      return {
        a: mul(vectors, scaled(scales)),
        b: matmul(w, mul(vectors, scaled(shares)), { transposeB: true }),
      };
    }),
  );
}

/**
 * Returns the first r columns of Q as B and the first r rows of R as A, from the QR decomposition of an f32 matrix. The
 * caller frees both factors.
 */
export function qrFactors(w: Tensor, r: number): Promise<Factors> {
  return factorsOf(w, r, (matrix, rows, columns) => {
    const { q, r: upper } = truncatedQr(matrix, rows, columns, r);
    return { a: Float32Array.from(upper), b: Float32Array.from(q) };
  });
}

type Numbers = { a: Float32Array; b: Float32Array };

/**
 * Reads a matrix into host memory and calls `factor`, which computes A and B from its values. On a backend without data
 * (`meta`), A and B are zeros.
 */
async function factorsOf(
  w: Tensor,
  r: number,
  factor: (matrix: Float32Array, rows: number, columns: number) => Numbers,
): Promise<Factors> {
  const [rows, columns] = w.shape;
  const { backend } = w.storage;
  if (backend.dataless) return { a: zeros([r, columns], { backend }), b: zeros([rows, r], { backend }) };
  const { a, b } = factor((await w.data()) as Float32Array, rows, columns);
  return { a: tensor(a, { shape: [r, columns], backend }), b: tensor(b, { shape: [rows, r], backend }) };
}
