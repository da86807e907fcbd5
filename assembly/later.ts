// Formats whose kernels are a module of their own, assembly/onDemand.ts, which is loaded with the
// first weight of them. These imports lead there.

/** `unpackRow` for those formats. */
// @ts-ignore: decorator
@external("env", "unpackLater")
export declare function unpackLater(format: i32, base: usize, start: i32, count: i32, dst: usize): void;

/** `blockRows` for those formats; 0 where there is no such product. */
// @ts-ignore: decorator
@external("env", "rowsLater")
export declare function rowsLater(
  format: i32, x: usize, w: usize, start: i32, c: usize, n: i32, k: i32, alpha: f32, add: i32, room: usize,
): i32;

/**
 * `linearInt8` for those formats, and for more than one row of q4_0 and q4_1; `inShort` is what
 * `setShortSums` was told.
 */
// @ts-ignore: decorator
@external("env", "linearLater")
export declare function linearLater(
  inShort: i32, x: usize, planes: i32, w: usize, format: i32, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32,
  scratch: usize,
): void;

/** `nibbleProduct`. */
// @ts-ignore: decorator
@external("env", "nibblesLater")
export declare function nibblesLater(
  x: usize, w: usize, format: i32, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32, scratch: usize,
): void;

/** The place and the size of that module's bytes, for threads that need it. */
const MODULE: usize = memory.data<u32>([0, 0]);

/** Returns the address of two words: where the bytes of the module on demand lie, and how many. */
export function moduleOnDemand(): usize {
  return MODULE;
}

/**
 * The columns first..last-1 of C[m,n] = X[m,k] W[k,n], for rows of X as `quantizeInt11` of the
 * module on demand leaves them and W in codes of 4 or 5 bits. k and n are multiples of 32, and so
 * is `first`.
 */
export function nibbleProduct(
  x: usize, w: usize, format: i32, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32, scratch: usize,
): void {
  nibblesLater(x, w, format, c, m, n, k, first, last, scratch);
}
