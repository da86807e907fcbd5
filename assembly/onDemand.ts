// The entry of a second module on the same memory: formats that few pages use, and products of low-bit codes with rows
// in 15 bits or gradients in 8. It must not have static data, which would overwrite the static data of the other
// module.
import { Q4_K, Q5_0, Q5_1, Q5_K } from "./formats/dtypes.gen";
import { CONSTANTS, q5Rows, unpackQ5 } from "./formats/gguf/fiveBits";
import { groupRows, unpackGroups } from "./formats/gguf/kGroups";
import { q6_kRows, unpackQ6_K } from "./formats/gguf/q6_k";

export { int11RowsBytes, quantizeInt11 } from "./integer/int11";
export { quantizeBytes, quantizeBytesInWords, quantizeInt15 } from "./integer/int15";
export { linearLater } from "./integer/bytes/linearLater";
export { mixedRowsBytes, quantizeMixed } from "./integer/mixedCodes";
export { nibbleProductScratch, nibblesLater } from "./integer/bytes/nibbleProduct";

/** Converts `count` elements of a weight to f32, from element `start` on, and writes them to `dst`. */
export function unpackLater(format: i32, base: usize, start: i32, count: i32, dst: usize): void {
  if (format == Q4_K) unpackGroups(false, base, start, count, dst);
  else if (format == Q5_K) unpackGroups(true, base, start, count, dst);
  else if (format == Q5_0) unpackQ5(false, base, start, count, dst);
  else if (format == Q5_1) unpackQ5(true, base, start, count, dst);
  else unpackQ6_K(base, start, count, dst);
}

/**
 * Number of floats in `room`, the scratch memory of `rowsLater`. It is a part of the thread's scratch memory (see
 * `scratchBytes`).
 */
const ROOM: i32 = 32768;

/**
 * Computes c[n] = alpha * W x (or += if `add` is 1) for a weight W that is stored in blocks. W has n rows of k elements
 * each and starts at element `start`. Returns 0, and computes nothing, if the format has no such kernel.
 */
export function rowsLater(
  format: i32, x: usize, w: usize, start: i32, c: usize, n: i32, k: i32, alpha: f32, add: i32, room: usize,
): i32 {
  if ((k >> 5) + CONSTANTS > ROOM) return 0;
  const adds = add != 0;
  if (format == Q4_K) groupRows(false, x, w, start, c, n, k, alpha, adds, room);
  else if (format == Q5_K) groupRows(true, x, w, start, c, n, k, alpha, adds, room);
  else if (format == Q5_0) q5Rows(false, x, w, start, c, n, k, alpha, adds, room);
  else if (format == Q5_1) q5Rows(true, x, w, start, c, n, k, alpha, adds, room);
  else q6_kRows(x, w, start, c, n, k, alpha, adds);
  return 1;
}
