import { matmul, mul, scope, type Tensor, tensor, truncatedQr, truncatedSvd, zeros } from "@lowrank/core";
import { subspaceSvd } from "./subspaceSvd.ts";

/** Two factors whose product B A is near a matrix [out, in]: A [r, in], B [out, r]. */
export interface Factors {
  a: Tensor;
  b: Tensor;
}

/** Throws for a rank that a weight cannot have, naming the start that asks for it. */
export function checkRank(init: string, rank: number, [rows, columns]: readonly number[]): void {
  const most = Math.min(rows, columns);
  if (rank > most) {
    throw new Error(
      `initLoraWeights "${init}": the rank is ${rank}; a weight [${rows},${columns}] has at most ${most}`,
    );
  }
}

/** The best approximation of rank r of an f32 matrix, over `divisor`; its singular values are shared among both factors. */
export function svdFactors(w: Tensor, r: number, divisor = 1): Factors {
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

/** Nearly the same by subspace iteration, which large weights have time for. */
export function subspaceFactors(w: Tensor, r: number, divisor: number, turns: number): Factors {
  const [rows, columns] = w.shape;
  const { backend } = w.storage;
  if (backend.dataless) return { a: zeros([r, columns], { backend }), b: zeros([rows, r], { backend }) };
  const { values, right } = subspaceSvd(w, r, turns);
  const scales = values.map((value) => Math.sqrt(value / divisor));
  return scope(() => {
    const vectors = tensor(right, { shape: [r, columns], backend });
    const scaled = (by: ArrayLike<number>) => tensor(Float32Array.from(by), { shape: [r, 1], backend });
    // W v is σ u, and u is to be scaled as v is.
    const shares = values.map((value, k) => (value > 0 ? scales[k] / value : 0));
    return {
      a: mul(vectors, scaled(scales)),
      b: matmul(w, mul(vectors, scaled(shares)), { transposeB: true }),
    };
  });
}

/** The first r rows of R and columns of Q in the QR decomposition of an f32 matrix. */
export function qrFactors(w: Tensor, r: number): Factors {
  return factorsOf(w, r, (matrix, rows, columns) => {
    const { q, r: upper } = truncatedQr(matrix, rows, columns, r);
    return { a: Float32Array.from(upper), b: Float32Array.from(q) };
  });
}

type Numbers = { a: Float32Array; b: Float32Array };

/** Factors from a matrix's numbers; zeros on a backend that has none. */
function factorsOf(
  w: Tensor,
  r: number,
  factor: (matrix: Float32Array, rows: number, columns: number) => Numbers,
): Factors {
  const [rows, columns] = w.shape;
  const { backend } = w.storage;
  if (backend.dataless) return { a: zeros([r, columns], { backend }), b: zeros([rows, r], { backend }) };
  const { a, b } = factor(w.dataSync() as Float32Array, rows, columns);
  return { a: tensor(a, { shape: [r, columns], backend }), b: tensor(b, { shape: [rows, r], backend }) };
}
