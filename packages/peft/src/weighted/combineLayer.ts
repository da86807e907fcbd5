import { affine, matmul, scope, tensor } from "@lowrank/core";
import { type MergeKind, mergeTasks, type PruneOptions } from "./mergeTasks.ts";
import { clamped, type HostFactors, type Matrix, matrixFactors, productFactors, transposed } from "./productFactors.ts";

/** Ways to combine LoRA adapters; the names are PEFT's. */
export type CombinationType = "cat" | "svd" | MergeKind | `${Exclude<MergeKind, "linear">}_svd`;

/** One adapter's A and B on a layer. The adapter contributes weight · scaling · B A to the sum. */
export interface WeightedFactors extends HostFactors {
  scaling: number;
  weight: number;
}

/** Settings for combining the adapters' factors on a layer. */
export interface Combination extends PruneOptions {
  type: CombinationType;
  rank: number;
  svdClamp: number | null;
}

/**
 * Combines several adapters' factors on a layer to A [rank, in] and B [out, rank]. `fanInFanOut` is true if the layer
 * stores its weight as [in, out], like an embedding.
 */
export async function combineLayer(
  parts: readonly WeightedFactors[],
  combination: Combination,
  fanInFanOut: boolean,
): Promise<HostFactors> {
  const { type, rank } = combination;
  if (type === "cat") return padded(stacked(parts), rank);
  if (!type.endsWith("svd")) return padded(separately(type as MergeKind, parts, combination), rank);
  const found =
    type === "svd" ? productFactors(stacked(parts), rank) : await largestOfPruned(parts, combination, fanInFanOut);
  return padded(combination.svdClamp === null ? found : clamped(found, combination.svdClamp), rank);
}

/**
 * Returns the exact weighted sum as one product. Its A contains the rows of all A, multiplied by weight and scaling;
 * its B contains the columns of all B.
 */
export function stacked(parts: readonly WeightedFactors[]): HostFactors {
  const rows = parts.reduce((sum, { a }) => sum + a.rows, 0);
  const a = zeroMatrix(rows, parts[0].a.columns);
  const b = zeroMatrix(rows, parts[0].b.rows);
  let start = 0;
  for (const part of parts) {
    const factor = part.weight * part.scaling;
    const scaled = part.a.values.map((value) => value * factor);
    a.values.set(scaled, start * a.columns);
    b.values.set(transposed(part.b).values, start * b.columns);
    start += part.a.rows;
  }
  return { a, b: transposed(b) };
}

/**
 * Merges the A matrices of all adapters to one A, and the B matrices to one B. As in PEFT, each matrix is first
 * multiplied by the square root of |weight · scaling|. Each A is also multiplied by the sign of weight · scaling.
 */
function separately(kind: MergeKind, parts: readonly WeightedFactors[], options: PruneOptions): HostFactors {
  const merge = (side: "a" | "b"): Matrix => {
    const weights = parts.map(({ weight, scaling }) => {
      const factor = weight * scaling;
      const root = Math.sqrt(Math.abs(factor));
      return side === "a" ? Math.sign(factor) * root : root;
    });
    const tasks = parts.map((part) => part[side].values);
    return { ...parts[0][side], values: mergeTasks(kind, tasks, weights, options) };
  };
  return { a: merge("a"), b: merge("b") };
}

/**
 * Computes all products B A, merges them with pruning, and returns the best approximation of the result with the given
 * rank. Like PEFT, prunes each product in the layout of the layer's weight, which is [in, out] if `fanInFanOut` is
 * true.
 */
async function largestOfPruned(
  parts: readonly WeightedFactors[],
  { type, rank, ...options }: Combination,
  fanInFanOut: boolean,
): Promise<HostFactors> {
  const products: Matrix[] = [];
  for (const part of parts) products.push(await product(part, part.scaling, fanInFanOut));
  const kind = type.replace("_svd", "") as MergeKind;
  const values = mergeTasks(
    kind,
    products.map((matrix) => matrix.values),
    parts.map(({ weight }) => weight),
    options,
  );
  const merged = { ...products[0], values };
  return matrixFactors(fanInFanOut ? transposed(merged) : merged, rank);
}

/** Returns scaling · B A, or its transpose. */
async function product({ a, b }: HostFactors, scaling: number, transpose: boolean): Promise<Matrix> {
  using result = scope(() => {
    const [ta, tb] = [a, b].map(({ values, rows, columns }) => tensor(values, { shape: [rows, columns] }));
    const plain = transpose ? matmul(ta, tb, { transposeA: true, transposeB: true }) : matmul(tb, ta);
    return affine(plain, { scale: scaling });
  });
  const [rows, columns] = result.shape;
  return { values: (await result.data()) as Float32Array, rows, columns };
}

/** Returns A and B padded with zeros to a larger rank. */
export function padded({ a, b }: HostFactors, rank: number): HostFactors {
  if (a.rows === rank) return { a, b };
  const [wideA, wideB] = [zeroMatrix(rank, a.columns), zeroMatrix(rank, b.rows)];
  wideA.values.set(a.values);
  wideB.values.set(transposed(b).values);
  return { a: wideA, b: transposed(wideB) };
}

function zeroMatrix(rows: number, columns: number): Matrix {
  return { values: new Float32Array(rows * columns), rows, columns };
}
