import { matmul, noGrad, tensor, truncatedSvd } from "@lowrank/core";
import { checkFlags, checkOneOf } from "../../../config/checks.ts";
import type { CordaConfig, LoraConfig } from "../loraConfig.ts";
import type { HostStart, MeasuredLinear } from "./measuredStart.ts";

/** Throws for options of CorDA that are out of range. */
export function checkCorda(config: LoraConfig): void {
  const { cordaMethod, verbose, useFloat16ForCovariance, pruneTemporaryFields } = config.cordaConfig!;
  checkOneOf(config, "cordaConfig.cordaMethod", cordaMethod, ["ipm", "kpm"]);
  checkFlags(config, {
    "cordaConfig.verbose": verbose,
    "cordaConfig.useFloat16ForCovariance": useFloat16ForCovariance,
    "cordaConfig.pruneTemporaryFields": pruneTemporaryFields,
  });
}

/** Share of the mean of the covariance's diagonal that is added to the diagonal, so that an inverse exists. */
const damping = 0.01;

/**
 * Returns CorDA's factors for the covariance C [in, in] of a layer's inputs: r singular vectors and values of W C, with
 * the right vectors multiplied by the inverse of C. "ipm" takes the largest singular values, "kpm" the smallest. Throws
 * if C is not finite, or zero. Yang et al. 2024, https://arxiv.org/abs/2406.05223
 */
export async function componentFactors(
  { weight, r, scaling }: MeasuredLinear,
  covariance: Float32Array,
  { cordaMethod }: CordaConfig,
  path: string,
): Promise<HostStart> {
  const [rows, columns] = weight.shape;
  const { backend } = weight.storage;
  const damped = Float32Array.from(covariance);
  let trace = 0;
  for (let i = 0; i < columns; i++) trace += covariance[i * columns + i];
  for (let i = 0; i < columns; i++) damped[i * columns + i] += (damping * trace) / columns;
  const lower = cholesky(damped, columns);
  if (!lower) {
    throw new Error(`preprocessCorda: the inputs of ${path} are zero, NaN or infinite; measure other data`);
  }
  using c = tensor(damped, { shape: [columns, columns], backend });
  using product = noGrad(() => matmul(weight, c));
  const all = Math.min(rows, columns);
  const first = cordaMethod === "ipm" ? 0 : all - r;
  const svd = truncatedSvd((await product.data()) as Float32Array, rows, columns, first + r);
  const roots = svd.values.slice(first).map((value) => Math.sqrt(value / scaling));
  const a = new Float32Array(r * columns);
  for (let k = 0; k < r; k++) {
    const vector = svd.right.slice((first + k) * columns, (first + k + 1) * columns);
    solve(lower, vector, columns);
    for (let j = 0; j < columns; j++) a[k * columns + j] = roots[k] * vector[j];
  }
  const b = Float32Array.from({ length: rows * r }, (_, i) => {
    return roots[i % r] * svd.left[(first + (i % r)) * rows + Math.floor(i / r)];
  });
  return { a, b };
}

/** Returns the lower triangular L [n, n] with L Lᵀ = matrix. Null if the matrix is not positive definite. */
function cholesky(matrix: Float32Array, n: number): Float64Array | null {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let rest = matrix[i * n + j];
      for (let k = 0; k < j; k++) rest -= lower[i * n + k] * lower[j * n + k];
      if (i !== j) lower[i * n + j] = rest / lower[j * n + j];
      else if (rest > 0 && rest < Number.POSITIVE_INFINITY) lower[i * n + i] = Math.sqrt(rest);
      else return null;
    }
  }
  return lower;
}

/** Replaces a vector v by the solution x of L Lᵀ x = v. */
function solve(lower: Float64Array, vector: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) vector[i] -= lower[i * n + k] * vector[k];
    vector[i] /= lower[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    vector[i] /= lower[i * n + i];
    for (let k = 0; k < i; k++) vector[k] -= lower[i * n + k] * vector[i];
  }
}
