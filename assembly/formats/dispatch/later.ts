// Imports of the formats whose kernels are a separate module, assembly/onDemand.ts, which is loaded with the first
// weight in such a format.

/**
 * Converts `count` elements of a weight to f32, from element `start` on. Supports the formats of the on-demand module
 * (onDemand.ts).
 */
// @ts-ignore: decorator
@external("env", "unpackLater")
export declare function unpackLater(format: i32, base: usize, start: i32, count: i32, dst: usize): void;

/**
 * Computes the same product as `blockRows`, c[n] = alpha * W x, for the formats of the on-demand module (onDemand.ts).
 * If `add` is 1, it adds to c. Returns 0 if the format has no such kernel, otherwise 1.
 */
// @ts-ignore: decorator
@external("env", "rowsLater")
export declare function rowsLater(
  format: i32, x: usize, w: usize, start: i32, c: usize, n: i32, k: i32, alpha: f32, add: i32, room: usize,
): i32;

/**
 * Computes the same product as `linearInt8`, columns of X Wᵀ for integer codes X, for the formats of the on-demand
 * module (onDemand.ts). If X has several rows, it supports q4_0 and q4_1 as well. `inShort` is the value set by
 * `setShortSums`.
 */
// @ts-ignore: decorator
@external("env", "linearLater")
export declare function linearLater(
  inShort: i32, x: usize, planes: i32, w: usize, format: i32, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32,
  scratch: usize,
): void;

/**
 * The implementation of `nibbleProduct`, in the on-demand module (onDemand.ts). `nibbleProduct` only calls this
 * function.
 */
// @ts-ignore: decorator
@external("env", "nibblesLater")
export declare function nibblesLater(
  x: usize, w: usize, format: i32, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32, scratch: usize,
): void;

/**
 * Address and size in bytes of the binary of the on-demand WebAssembly module. Other threads read the binary to load
 * the module too.
 */
const MODULE: usize = memory.data<u32>([0, 0]);

/** Returns the address of two words: the address of the on-demand module's binary, and its size in bytes. */
export function moduleOnDemand(): usize {
  return MODULE;
}

/**
 * Computes the columns first..last-1 of C[m,n] = X[m,k] W[k,n], for rows of X from `quantizeInt11` and a weight of 4-
 * or 5-bit codes. k, n and `first` are multiples of 32. Needs the on-demand module.
 */
export function nibbleProduct(
  x: usize, w: usize, format: i32, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32, scratch: usize,
): void {
  nibblesLater(x, w, format, c, m, n, k, first, last, scratch);
}
