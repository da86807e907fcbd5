// Weights of any format as codes of 7 bits, with a scale and a minimum for each 32 elements along the contraction, in
// panels of eight columns for `int8Tile`.
import { packWeight, WEIGHT_ROWS } from "../../gemm/gemmPack";
import { unpackRow } from "../../formats/dispatch/formats";
import { isNotFinite, largestBits } from "../int16Codes";
import { Q4_COLUMNS, Q4_PANEL } from "../tiles/panels";

/** Size, along the summed dimension, of the part of a weight that is converted to f32 at a time. */
const DEPTH: i32 = 256;
/** Number of columns that are converted to f32 at a time. */
const WIDTH: i32 = 64;

/** Bytes of 32 elements of eight columns, as f32. */
const FLOATS: usize = 1024;

/** Number of elements that `findLargest` converts at a time. */
const PIECE: i32 = 4096;

/** Returns the size in bytes of the scratch memory for `packInt8` and `findLargest`. */
export function packScratch(): i32 {
  return DEPTH * (WIDTH + WEIGHT_ROWS) * 4;
}

/** Returns the size in bytes of the result of `packInt8` for n columns of k elements, where k is a multiple of 32. */
export function int8WeightBytes(n: i32, k: i32): i32 {
  return ((n + Q4_COLUMNS - 1) / Q4_COLUMNS) * (k >> 5) * <i32>Q4_PANEL;
}

/**
 * 127, and 1.5 * 2^23. Adding 1.5 * 2^23 to a value from 0 to 127 rounds the value to an integer, which is in the low
 * bits of the sum. They are loaded before a loop, since V8 would build constants again at each use.
 */
const CONSTANTS: usize = memory.data<u32>([127, 0x4b400000]);

/** Returns the 7-bit codes of the four floats at x, one in each lane: (x - least) * factor, rounded. */
// @ts-ignore: decorator
@inline
function codesOf(x: usize, least: v128, factor: v128, rounder: v128, seven: v128): v128 {
  return v128.and(f32x4.add(f32x4.mul(f32x4.sub(v128.load(x), least), factor), rounder), seven);
}

/**
 * Rounds 32 elements of four columns to codes. Computes the scale and the minimum of each column, and writes them after
 * the codes. Rows of x are 32 bytes apart.
 */
// @ts-ignore: decorator
@inline
function packFour(x: usize, dst: usize): void {
  let least = v128.load(x);
  let most = least;
  for (let i: usize = 32; i < FLOATS; i += 32) {
    const v = v128.load(x + i);
    least = f32x4.min(least, v);
    most = f32x4.max(most, v);
  }
  const range = f32x4.sub(most, least);
  const seven = v128.load32_splat(CONSTANTS);
  const rounder = v128.load32_splat(CONSTANTS, 4);
  let factor = f32x4.div(f32x4.convert_i32x4_s(seven), range);
  // A range too small for a finite factor is treated as 0.
  factor = v128.and(factor, f32x4.lt(factor, f32x4.splat(Infinity)));
  let to = dst;
  for (let i: usize = 0; i < FLOATS; i += 128) {
    const a = codesOf(x + i, least, factor, rounder, seven);
    const b = codesOf(x + i + 32, least, factor, rounder, seven);
    const c = codesOf(x + i + 64, least, factor, rounder, seven);
    const d = codesOf(x + i + 96, least, factor, rounder, seven);
    v128.store(to, v128.or(v128.or(a, i32x4.shl(b, 8)), v128.or(i32x4.shl(c, 16), i32x4.shl(d, 24))));
    to += 32;
  }
  v128.store(dst, f32x4.div(range, f32x4.convert_i32x4_s(seven)), 256);
  v128.store(dst, least, 288);
}

/**
 * Rounds a weight [rows,columns] of any dtype to 7-bit codes, packed for products X W, or X Wᵀ if `transposed` is 1.
 * The dimension that is summed over must be a multiple of 32, and all elements must be finite.
 */
export function packInt8(
  w: usize, format: i32, rows: i32, columns: i32, transposed: i32, out: usize, scratch: usize,
): void {
  const k = transposed ? columns : rows;
  const n = transposed ? rows : columns;
  const panel = <usize>(k >> 5) * Q4_PANEL;
  const strip = scratch + ((DEPTH * WIDTH) << 2);
  for (let j = 0; j < n; j += WIDTH) {
    const width = min(WIDTH, n - j);
    for (let from = 0; from < k; from += DEPTH) {
      const depth = min(DEPTH, k - from);
      const first = transposed ? j * columns + from : from * columns + j;
      packWeight(format, w, first, columns, transposed != 0, scratch, depth, width, 1, strip);
      for (let p = 0; p < width; p += Q4_COLUMNS) {
        let x = scratch + (<usize>(p * depth) << 2);
        let dst = out + <usize>((j + p) / Q4_COLUMNS) * panel + <usize>(from >> 5) * Q4_PANEL;
        for (let b = 0; b < depth; b += 32) {
          packFour(x, dst);
          packFour(x + 16, dst + 16);
          x += FLOATS;
          dst += Q4_PANEL;
        }
      }
    }
  }
}

/**
 * Writes the largest magnitude of a weight's first `count` elements, of any dtype, to `largest`. Returns 1 if all are
 * finite, otherwise 0.
 */
export function findLargest(w: usize, format: i32, count: i32, largest: usize, scratch: usize): i32 {
  let bits = 0;
  for (let i = 0; i < count; i += PIECE) {
    const length = min(PIECE, count - i);
    unpackRow(format, w, i, length, scratch);
    bits = largestBits(scratch, length, bits);
  }
  store<i32>(largest, bits);
  return isNotFinite(bits) ? 0 : 1;
}

/**
 * Limits for the product of the largest magnitudes of X and W. Outside the range from LEAST to MOST, sums or scales
 * could leave the range of f32. A product of 0 is allowed.
 */
const MOST: f64 = 1e38;
const LEAST: f64 = 1e-24;

/**
 * Returns 1 if sums of `k` products stay in the range of f32, otherwise 0. `bits` is the bit pattern of X's largest
 * magnitude; `largest` is the address that `findLargest` wrote to.
 */
export function codesFit(bits: i32, largest: usize, k: i32): i32 {
  if (isNotFinite(bits)) return 0;
  const product = <f64>f32.reinterpret_i32(bits) * <f64>load<f32>(largest);
  return product == 0 || (product > LEAST && product * <f64>k < MOST) ? 1 : 0;
}
