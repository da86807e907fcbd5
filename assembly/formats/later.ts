// Imports of the formats whose kernels are a separate module, assembly/onDemand.ts, which is loaded with the first
// weight in such a format.

/** `unpackRow` for those formats. */
// @ts-ignore: decorator
@external("env", "unpackLater")
export declare function unpackLater(format: i32, base: usize, start: i32, count: i32, dst: usize): void;

/** `blockRows` for those formats; returns 0 if there is no such product. */
// @ts-ignore: decorator
@external("env", "rowsLater")
export declare function rowsLater(
  format: i32, x: usize, w: usize, start: i32, c: usize, n: i32, k: i32, alpha: f32, add: i32, room: usize,
): i32;

/**
 * `linearInt8` for those formats, and for more than one row of q4_0 and q4_1; `inShort` is the value set by
 * `setShortSums`.
 */
// @ts-ignore: decorator
@external("env", "linearLater")
export declare function linearLater(
  inShort: i32, x: usize, planes: i32, w: usize, format: i32, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32,
  scratch: usize,
): void;

/** Computes `nibbleProduct` in the on-demand module. */
// @ts-ignore: decorator
@external("env", "nibblesLater")
export declare function nibblesLater(
  x: usize, w: usize, format: i32, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32, scratch: usize,
): void;

/** The address and the size of that module's bytes, for threads that load it. */
const MODULE: usize = memory.data<u32>([0, 0]);

/** Returns the address of two words: the address of the on-demand module's bytes, and their count. */
export function moduleOnDemand(): usize {
  return MODULE;
}

/**
 * The columns first..last-1 of C[m,n] = X[m,k] W[k,n], for rows of X from `quantizeInt11` of the on-demand module, and
 * W in codes of 4 or 5 bits. k, n and `first` are multiples of 32.
 */
export function nibbleProduct(
  x: usize, w: usize, format: i32, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32, scratch: usize,
): void {
  nibblesLater(x, w, format, c, m, n, k, first, last, scratch);
}
