// `linearInt8` for the formats on demand: codes of 4 to 6 bits. A part of onDemand.ts.
import {
  Q4_0, Q4_0_BYTES, Q4_1, Q4_1_BYTES, Q4_K, Q4_K_BYTES, Q5_0, Q5_0_BYTES, Q5_1, Q5_1_BYTES, Q5_K, Q5_K_BYTES, Q6_K, Q6_K_BYTES,
} from "../../formats/dtypes.gen";
import { fiveBitInt8Rows, packFiveBits } from "./fiveBitInt8";
import { Q4_COLUMNS, WIDE_DEPTH, WIDE_PANEL, packNibbles } from "../tiles/panels";
import { int8Tile } from "../tiles/int8Tile";
import { groupInt8Rows, packGroupPanel } from "./kInt8";
import { mixedRows, wideRows } from "./wideRows";
import { packQ6_K, q6_kInt8Rows } from "./q6_kInt8";
import { readLines } from "../../simd/readAhead";
import { INT8_ROWS, int8RowBytes } from "../rowCodes";
import { clearSums, putOnes, putSums, TILE, takeSums } from "../tiles/tileSums";

/**
 * Returns the size in bytes of `blocks` * 32 elements of a weight in `format`. The elements must fill whole blocks of
 * the format.
 */
function bytesOf(format: i32, blocks: i32): usize {
  const count = <usize>blocks;
  if (format == Q4_0) return count * Q4_0_BYTES;
  if (format == Q4_1) return count * Q4_1_BYTES;
  if (format == Q5_0) return count * Q5_0_BYTES;
  if (format == Q5_1) return count * Q5_1_BYTES;
  return (count >> 3) * (format == Q4_K ? Q4_K_BYTES : format == Q5_K ? Q5_K_BYTES : Q6_K_BYTES);
}

/**
 * Computes c[n]: the dot product of each of n weight rows with x, a row from `quantizeInt8`. The weight's blocks are at
 * `w`; a row has k elements. `room` is scratch for constants.
 */
function oneRow(format: i32, x: usize, w: usize, c: usize, n: i32, k: i32, room: usize): void {
  if (format == Q4_K) groupInt8Rows(false, x, w, c, n, k, room);
  else if (format == Q5_K) groupInt8Rows(true, x, w, c, n, k, room);
  else if (format == Q5_0) fiveBitInt8Rows(false, x, w, c, n, k, room);
  else if (format == Q5_1) fiveBitInt8Rows(true, x, w, c, n, k, room);
  else q6_kInt8Rows(x, w, c, n, k, room);
}

/** Bytes of the constants that `putConstants` writes. */
const CONSTANTS: usize = 32;

/**
 * Writes constants to memory: `HALF_CONSTANTS`, and a word with 15 in every byte. Other modules have them as static
 * data, which this module cannot have.
 */
function putConstants(at: usize): void {
  store<u32>(at, 0x8fffe000);
  store<u32>(at, 0x77800000, 4);
  store<u32>(at, 0x47800000, 8);
  store<u32>(at, 0x7f800000, 12);
  store<u32>(at, 0x0f0f0f0f, 16);
}

/**
 * Packs the first `blocks` * 32 elements of `columns` rows of a weight as a panel with one column per row. Rows are
 * `wrs` bytes apart. `constants` is the address of the constants that `putConstants` wrote.
 */
function packPanel(format: i32, constants: usize, w: usize, wrs: usize, columns: i32, blocks: i32, dst: usize): void {
  const nibble = v128.load32_splat(constants, 16);
  if (format == Q4_0) packNibbles(false, Q4_0_BYTES, nibble, constants, w, wrs, columns, blocks, dst);
  else if (format == Q4_1) packNibbles(true, Q4_1_BYTES, nibble, constants, w, wrs, columns, blocks, dst);
  else if (format == Q4_K) packGroupPanel(false, w, wrs, columns, blocks, dst);
  else if (format == Q5_K) packGroupPanel(true, w, wrs, columns, blocks, dst);
  else if (format == Q5_0) packFiveBits(false, w, wrs, columns, blocks, dst);
  else if (format == Q5_1) packFiveBits(true, w, wrs, columns, blocks, dst);
  else packQ6_K(w, wrs, columns, blocks, dst);
}

/**
 * Multiplies a panel by m rows of `quantizeInt8`, whose codes are one byte each. With each tile, it loads a part of the
 * memory from `next` to `end` into the cache. Store the result of this function somewhere, or the compiler may remove
 * these loads.
 */
function byteRows(
  inShort: bool, x: usize, panel: usize, c: usize, m: i32, n: i32, k: i32, from: i32, blocks: i32, columns: i32, sums: usize,
  next: usize, end: usize,
): i32 {
  const share = (end - next) * INT8_ROWS / <usize>m + 1;
  let any = 0;
  const xrs = int8RowBytes(k, 1);
  const crs = <usize>n << 2;
  for (let i = 0; i < m; i += INT8_ROWS) {
    const rows = min(INT8_ROWS, m - i);
    const to = c + <usize>i * crs;
    const tile = x + <usize>i * xrs;
    if (from > 0) takeSums(sums, to, crs, rows, columns);
    else clearSums(sums);
    const pairs = tile + <usize>(INT8_ROWS * (k + (from << 3)));
    any |= readLines(next, min(end, next + share));
    next += share;
    int8Tile(inShort, tile + <usize>(INT8_ROWS * (from << 5)), pairs, panel, blocks, sums);
    putSums(sums, to, crs, rows, columns);
  }
  return any;
}

/**
 * Implements `linearLater`, which later.ts declares. For q6_k and several rows, the codes of X must be 16-bit words,
 * and `planes` must be 2.
 */
export function linearLater(
  inShort: i32, x: usize, planes: i32, w: usize, format: i32, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32,
  scratch: usize,
): void {
  const blocks = k >> 5;
  const wrs = bytesOf(format, blocks);
  w += <usize>first * wrs;
  c += <usize>first << 2;
  if (m == 1) {
    oneRow(format, x, w, c, last - first, k, scratch);
    return;
  }
  const constants = scratch + TILE + <usize>WIDE_DEPTH * WIDE_PANEL;
  const panel = constants + CONSTANTS;
  const asShort = inShort != 0 && (format == Q4_K || format == Q4_0 || format == Q4_1);
  const end = w + <usize>(last - first) * wrs;
  let any = 0;
  putOnes(scratch);
  putConstants(constants);
  for (let j = first; j < last; j += Q4_COLUMNS) {
    const columns = min(Q4_COLUMNS, last - j);
    const next = min(end, w + <usize>Q4_COLUMNS * wrs);
    const ahead = min(end, next + <usize>Q4_COLUMNS * wrs);
    if (planes > 1) any |= readLines(next, ahead);
    for (let from = 0; from < blocks; from += WIDE_DEPTH) {
      const depth = min(WIDE_DEPTH, blocks - from);
      packPanel(format, constants, w + bytesOf(format, from), wrs, columns, depth, panel);
      if (planes == 3) mixedRows(inShort != 0, x, panel, c, m, n, k, from, depth, columns, scratch);
      else if (planes == 2) wideRows(format == Q6_K, inShort != 0, x, panel, c, m, n, k, from, depth, columns, scratch);
      else any |= byteRows(asShort, x, panel, c, m, n, k, from, depth, columns, scratch, from > 0 ? ahead : next, ahead);
    }
    w = next;
    c += <usize>Q4_COLUMNS << 2;
  }
  store<i32>(scratch, any);
}
