import { isInGradient } from "./gradMode.ts";
import { expectSynchronous } from "./synchronous.ts";

/**
 * The precision of products with frozen weights: "highest" is f32; "high" may take 12 bits of each
 * number, the class of TF32; "medium" is as "high", and may take 7 bits in a backward pass, and 8
 * of rows that meet 4-bit codes.
 */
export type MatmulPrecision = "highest" | "high" | "medium";

const precisions: readonly MatmulPrecision[] = ["highest", "high", "medium"];

let current: MatmulPrecision = "highest";

/**
 * Sets the precision of products with frozen weights, as PyTorch's function of this name. Default:
 * "highest", f32. "high" takes integer products of codes of 13 and 14 bits by blocks of 64 where
 * the backend has them: a relative error of 2e-4 in a product of normal numbers, and 1.2 to 1.4
 * times the speed. It keeps a copy of each such weight, of half its size. "medium" also takes
 * gradients in 8 bits and weights in 7 on the way back: an error of 1e-2, where the machine makes
 * that faster than "high"; rows that meet weights of 4-bit codes as well, but for blocks with
 * outliers: an error of 5e-3. Other backends, small products, trained weights, and rows or weights
 * with NaN or infinity are in f32 as ever.
 */
export function setFloat32MatmulPrecision(precision: MatmulPrecision): void {
  current = checkPrecision("setFloat32MatmulPrecision", precision);
}

/**
 * Runs `fn` under a precision of products with frozen weights, as JAX's `default_matmul_precision`.
 * `backward` belongs inside too. A parameter's own precision comes first. `fn` must be synchronous;
 * a promise is an error.
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

/** Returns what `setFloat32MatmulPrecision` has set. */
export function getFloat32MatmulPrecision(): MatmulPrecision {
  return current;
}

/**
 * Returns the precision that a product may have now with a weight of that precision: outside of a
 * backward pass "medium" is "high", but for weights of 4-bit codes.
 */
export function productPrecision(precision: MatmulPrecision): MatmulPrecision {
  return precision === "medium" && !isInGradient() ? "high" : precision;
}

/** Throws for a value that is no precision. `what` names who was given it. */
export function checkPrecision(what: string, precision: MatmulPrecision): MatmulPrecision {
  if (precisions.includes(precision)) return precision;
  throw new Error(`${what}: precision is ${JSON.stringify(precision)}; give one of ${precisions.join(", ")}`);
}
