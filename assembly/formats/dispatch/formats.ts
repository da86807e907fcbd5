// Storage formats of weights by index: every kernel that reads a weight dispatches on its format here.
import { ggufBlock } from "../gguf/blocks";
import { BF16, F16, F32, FP4, NF4, Q4_0, Q4_0_BYTES, Q4_1, Q4_1_BYTES, Q8_0, Q8_0_BYTES } from "../dtypes.gen";
import { unpackBf16, unpackF16 } from "../half";
import { rowsLater, unpackLater } from "./later";
import { SPLIT_MOST } from "../gguf/nibbles";
import { packQ4_0, q4_0Int8Rows, q4_0Rows, unpackQ4_0, packQ4_1, q4_1Int8Rows, q4_1Rows, unpackQ4_1 } from "../gguf/fourBits";
import { packQ8_0, q8_0Int8Rows, q8_0Rows, unpackQ8_0 } from "../gguf/q8_0";
import { unpackFourBit } from "../unpackFourBit";

/**
 * Converts `count` elements of a weight to f32, from element `start` on. The weight is stored at `base` and has the
 * dtype number `format`.
 */
export function unpackRow(format: i32, base: usize, start: i32, count: i32, dst: usize): void {
  const at = <usize>start;
  if (format == F32) memory.copy(dst, base + (at << 2), <usize>count << 2);
  else if (format == BF16) unpackBf16(base + (at << 1), count, dst);
  else if (format == F16) unpackF16(base + (at << 1), count, dst);
  else if (format == NF4 || format == FP4) unpackFourBit(base, format == FP4, start, count, dst);
  else if (format == Q4_0) unpackQ4_0(base, start, count, dst);
  else if (format == Q4_1) unpackQ4_1(base, start, count, dst);
  else if (format == Q8_0) unpackQ8_0(base, start, count, dst);
  else unpackLater(format, base, start, count, dst);
}

/**
 * Computes c[n] = alpha * W x (or += if `add` is true) for a weight W that is stored in blocks. W has n rows of k
 * elements each and starts at element `start`. Returns false, and computes nothing, if the format has no such kernel.
 */
export function blockRows(
  format: i32, x: usize, w: usize, start: i32, c: usize, n: i32, k: i32, alpha: f32, add: bool, room: usize,
): bool {
  if (format > Q8_0) return rowsLater(format, x, w, start, c, n, k, alpha, add ? 1 : 0, room) != 0;
  if (format != Q8_0 && k > SPLIT_MOST) return false;
  if (format == Q4_0) q4_0Rows(x, ggufBlock(w, start, Q4_0_BYTES), c, n, k, alpha, add, room);
  else if (format == Q4_1) q4_1Rows(x, ggufBlock(w, start, Q4_1_BYTES), c, n, k, alpha, add, room);
  else if (format == Q8_0) q8_0Rows(x, ggufBlock(w, start, Q8_0_BYTES), c, n, k, alpha, add);
  else return false;
  return true;
}

/** Returns the size in bytes of a block of q4_0, q4_1 or q8_0. */
export function blockBytes(format: i32): usize {
  return format == Q4_0 ? Q4_0_BYTES : format == Q4_1 ? Q4_1_BYTES : Q8_0_BYTES;
}

/** Returns true if the codes of the format are nibbles, and false if they are signed bytes. */
export function isNibbles(format: i32): bool {
  return format != Q8_0;
}

/**
 * Computes c[n]: the dot product of each of n weight rows with x, a row from `quantizeInt8`. The weight's blocks are at
 * `w`; a row has k elements.
 */
export function int8Rows(format: i32, x: usize, w: usize, c: usize, n: i32, k: i32): void {
  if (format == Q4_0) q4_0Int8Rows(x, w, c, n, k);
  else if (format == Q4_1) q4_1Int8Rows(x, w, c, n, k);
  else q8_0Int8Rows(x, w, c, n, k);
}

/**
 * Packs the first `blocks` blocks of `columns` rows of a weight as a panel with one column per row. A block has 32
 * elements. Rows are `wrs` bytes apart.
 */
export function packInt8Panel(format: i32, w: usize, wrs: usize, columns: i32, blocks: i32, dst: usize): void {
  if (format == Q4_0) packQ4_0(w, wrs, columns, blocks, dst);
  else if (format == Q4_1) packQ4_1(w, wrs, columns, blocks, dst);
  else packQ8_0(w, wrs, columns, blocks, dst);
}
