import { isInGradient } from "./gradMode.ts";
import { expectSynchronous } from "./synchronous.ts";

/**
 * The precision of products with frozen weights. "highest" is f32. "high" may use 12 bits of each value, like TF32.
 * "medium" is like "high", and may also use 7 bits in a backward pass, and 8 bits for rows multiplied by 4-bit codes.
 */
export type MatmulPrecision = "highest" | "high" | "medium";

const precisions: readonly MatmulPrecision[] = ["highest", "high", "medium"];

let current: MatmulPrecision = "highest";

/**
 * Sets the precision of products with frozen weights, like PyTorch's function of this name. Default: "highest", which
 * is f32.
 *
 * - "high" uses integer products of 13-bit and 14-bit codes, in blocks of 64, if the backend has them. The relative
 *   error of a product of normally distributed values is 2e-4; the speed is 1.2 to 1.4 times higher. It keeps a copy of
 *   each such weight, of half its size.
 * - "medium" also uses 8-bit gradients and 7-bit weights in the backward pass, with an error of 1e-2, if that is faster
 *   than "high" on the machine. Rows multiplied by weights with 4-bit codes also use 8 bits, except in blocks with
 *   outliers, with an error of 5e-3.
 *
 * Other backends, small products, trained weights, and rows or weights with NaN or infinity always use f32.
 */
export function setFloat32MatmulPrecision(precision: MatmulPrecision): void {
  current = checkPrecision("setFloat32MatmulPrecision", precision);
}

/**
 * Runs `fn` with a precision of products with frozen weights, like JAX's `default_matmul_precision`. Call `backward`
 * inside `fn` too. A parameter's own precision overrides it. `fn` must be synchronous; throws if it returns a promise.
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
 * Returns the precision allowed now for a product with a weight of this precision: outside a backward pass "medium"
 * becomes "high".
 */
export function productPrecision(precision: MatmulPrecision): MatmulPrecision {
  return precision === "medium" && !isInGradient() ? "high" : precision;
}

/** Returns the precision. Throws for an invalid one; `what` names the caller. */
export function checkPrecision(what: string, precision: MatmulPrecision): MatmulPrecision {
  if (precisions.includes(precision)) return precision;
  throw new Error(`${what}: precision is ${JSON.stringify(precision)}; give one of ${precisions.join(", ")}`);
}
