import { expectSynchronous, isInGradient } from "./gradMode.ts";

/**
 * Lowest precision allowed in matrix products with frozen weights. "highest" is f32. "high" may round values to about
 * the precision of TF32. "medium" also allows 7 bits in the backward pass, and 8 bits for rows that are multiplied by
 * 4-bit weights.
 */
export type MatmulPrecision = "highest" | "high" | "medium";

const precisions: readonly MatmulPrecision[] = ["highest", "high", "medium"];

let current: MatmulPrecision = "highest";

/**
 * Sets the lowest precision allowed in matrix products with frozen weights, like PyTorch's function of this name.
 * Default: "highest", which is f32.
 *
 * - "high" rounds activations and gradients to integers of 13 bits, and weights to integers of 14 bits, if the backend
 *   supports that. A scale is shared by 64 values of a row, or by 64 x 64 values of a weight. The relative error of a
 *   product of normally distributed values is 2e-4; the speed is 1.2 to 1.4 times higher. The backend keeps a rounded
 *   copy of each such weight, of half its size.
 * - "medium" also rounds gradients to 8 bits and weights to 7 bits in the backward pass, with an error of 1e-2, if that
 *   is faster than "high" on the machine. Rows multiplied by 4-bit weights are also rounded to 8 bits, except in blocks
 *   with outliers, with an error of 5e-3.
 *
 * Other backends, small products, trained weights, and rows or weights with NaN or infinity always use f32.
 */
export function setFloat32MatmulPrecision(precision: MatmulPrecision): void {
  current = checkPrecision("setFloat32MatmulPrecision", precision);
}

/**
 * Runs `fn` with the given precision for products with frozen weights, like JAX's `default_matmul_precision`. Call
 * `backward` inside `fn` too. The precision of a parameter itself takes precedence. `fn` must be synchronous; throws if
 * it returns a promise.
 */
export function withFloat32MatmulPrecision<T>(precision: MatmulPrecision, fn: () => T): T {
  const before = current;
  current = checkPrecision("withFloat32MatmulPrecision", precision);
  try {
    return expectSynchronous("withFloat32MatmulPrecision", fn());
  } finally {
    current = before;
  }
}

/** Returns the precision set by `setFloat32MatmulPrecision`. */
export function getFloat32MatmulPrecision(): MatmulPrecision {
  return current;
}

/**
 * Returns the precision that a matrix product may use at this moment for a weight that allows `precision`: the same
 * precision, but outside a backward pass "high" instead of "medium".
 */
export function productPrecision(precision: MatmulPrecision): MatmulPrecision {
  return precision === "medium" && !isInGradient() ? "high" : precision;
}

/** Returns `precision`. Throws if it is invalid; `what` names the caller in the error. */
export function checkPrecision(what: string, precision: MatmulPrecision): MatmulPrecision {
  if (precisions.includes(precision)) return precision;
  throw new Error(`${what}: precision is ${JSON.stringify(precision)}; give one of ${precisions.join(", ")}`);
}
