// Imports of the formats whose kernels are a separate module, assembly/onDemand.ts, which is loaded with the first
// weight in such a format.

/** Does the same as `unpackRow`, for the formats of the on-demand module. */
// @ts-ignore: decorator
@external("env", "unpackLater")
export declare function unpackLater(format: i32, base: usize, start: i32, count: i32, dst: usize): void;

/**
 * Does the same as `blockRows`, for the formats of the on-demand module. Returns 0 if the format has no such kernel.
 */
// @ts-ignore: decorator
@external("env", "rowsLater")
export declare function rowsLater(
  format: i32, x: usize, w: usize, start: i32, c: usize, n: i32, k: i32, alpha: f32, add: i32, room: usize,
): i32;

/**
 * Does the same as `linearInt8`, for the formats of the on-demand module, and for q4_0 and q4_1 if there are several
 * rows. `inShort` is the value set by `setShortSums`.
 */
// @ts-ignore: decorator
@external("env", "linearLater")
export declare function linearLater(
  inShort: i32, x: usize, planes: i32, w: usize, format: i32, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32,
  scratch: usize,
): void;

/** Does the same as `nibbleProduct`, which only calls this function of the on-demand module. */
// @ts-ignore: decorator
@external("env", "nibblesLater")
export declare function nibblesLater(
  x: usize, w: usize, format: i32, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32, scratch: usize,
): void;

/** Address and size of the bytes of the on-demand module. Other threads read the bytes to load the module too. */
const MODULE: usize = memory.data<u32>([0, 0]);

/** Returns the address of two words: the address and the number of the on-demand module's bytes. */
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
