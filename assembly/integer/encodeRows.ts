// Encodes rows of floats as integer codes with a scale for each 32 elements. Four rows at a time avoid lane-by-lane
// stores. The tiles equal the tiles of `quantizeInt8` and `quantizeInt15`. A part of onDemand.ts.
import { laneSums } from "./tiles/byteProducts";
import { firstHalves, lastHalves, storeTransposed, zipFirst, zipLast } from "../simd/lanes";
import { INT8_ROWS, int8RowBytes, rounded, TOO_LARGE } from "./rowCodes";

/**
 * Kind of codes: 8-bit codes stored as bytes. The next constants are the other kinds: 8-bit codes stored as 16-bit
 * words, 15-bit codes in words, and 11-bit codes in words.
 */
export const BYTES: i32 = 0;
export const BYTES_IN_WORDS: i32 = 1;
export const WORDS: i32 = 2;
export const ELEVEN: i32 = 3;

/** Returns the largest code of a kind. For 11 bits it is 2040, because 2040 squared, shifted right by 15, is 127. */
// @ts-ignore: decorator
@inline
export function largestCode(kind: i32): f32 {
  return kind == ELEVEN ? 2040 : kind == WORDS ? 16383 : 127;
}

/**
 * Returns four partial maxima of the magnitudes of 32 floats, as bit patterns without the sign. As integers, bit
 * patterns have the order of the magnitudes, with NaN above all.
 */
// @ts-ignore: decorator
@inline
function partsOf(x: usize, magnitude: v128): v128 {
  let most = v128.and(v128.load(x), magnitude);
  for (let i: usize = 16; i < 128; i += 16) most = i32x4.max_s(most, v128.and(v128.load(x + i), magnitude));
  return most;
}

/** Returns one vector: lane i is the largest lane of the i-th argument. */
// @ts-ignore: decorator
@inline
function largestLanes(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.max_s(zipFirst(a, b), zipLast(a, b));
  const cd = i32x4.max_s(zipFirst(c, d), zipLast(c, d));
  return i32x4.max_s(firstHalves(ab, cd), lastHalves(ab, cd));
}

/**
 * Returns, for each of four rows, the factor by which its values are multiplied before they are rounded to codes. A
 * factor is infinite if all values of the row are 0 or extremely small. An infinite factor becomes 0, with one
 * exception: for the kind BYTES, a row with a value other than 0 keeps it, as in `quantizeInt8`.
 */
// @ts-ignore: decorator
@inline
function factorsOf(kind: i32, most: v128, scales: v128): v128 {
  const isByte = kind == BYTES || kind == BYTES_IN_WORDS;
  const one = f32x4.splat(isByte ? 127 : 1);
  const factors = f32x4.div(one, isByte ? most : scales);
  if (kind == BYTES) return v128.and(factors, f32x4.ne(most, f32x4.splat(0)));
  return v128.and(factors, f32x4.lt(factors, f32x4.splat(Infinity)));
}

/** Rounds eight floats times `factor` to integers. */
// @ts-ignore: decorator
@inline
function eight(x: usize, factor: v128, rounder: v128): v128 {
  return i16x8.narrow_i32x4_s(rounded(x, factor, rounder), rounded(x + 16, factor, rounder));
}

/**
 * Multiplies floats at x by `factor` and rounds them to codes. Returns the codes of 16 floats as bytes for the kind
 * BYTES, and of 8 floats as words for other kinds.
 */
// @ts-ignore: decorator
@inline
function codesAt(kind: i32, x: usize, factor: v128, rounder: v128): v128 {
  const low = eight(x, factor, rounder);
  return kind == BYTES ? i8x16.narrow_i16x8_s(low, eight(x + 32, factor, rounder)) : low;
}

/** Returns `sums`, four partial sums, plus the codes in a vector. */
// @ts-ignore: decorator
@inline
function withCodes(kind: i32, sums: v128, codes: v128): v128 {
  const words = kind == BYTES ? i16x8.extadd_pairwise_i8x16_s(codes) : codes;
  return i32x4.add(sums, i32x4.extadd_pairwise_i16x8_s(words));
}

/** Returns the largest magnitude among 32 floats for each of four rows, as bit patterns. */
// @ts-ignore: decorator
@inline
export function largestOfFour(x0: usize, x1: usize, x2: usize, x3: usize, magnitude: v128): v128 {
  return largestLanes(partsOf(x0, magnitude), partsOf(x1, magnitude), partsOf(x2, magnitude), partsOf(x3, magnitude));
}

/**
 * Writes the codes of 32 floats of each of four rows at `code`, and their scales and scaled sums at `pair` (for 11-bit
 * codes only the scales). `most` holds the largest magnitude of each row.
 */
// @ts-ignore: decorator
@inline
export function encodeBlock(
  kind: i32, x0: usize, x1: usize, x2: usize, x3: usize, most: v128, rounder: v128, code: usize, pair: usize,
): void {
  const scales = f32x4.div(most, f32x4.splat(largestCode(kind)));
  const factors = factorsOf(kind, most, scales);
  const f0 = v128.shuffle<f32>(factors, factors, 0, 0, 0, 0);
  const f1 = v128.shuffle<f32>(factors, factors, 1, 1, 1, 1);
  const f2 = v128.shuffle<f32>(factors, factors, 2, 2, 2, 2);
  const f3 = v128.shuffle<f32>(factors, factors, 3, 3, 3, 3);
  let s0 = i32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  const step: usize = kind == BYTES ? 64 : 32;
  for (const end = x0 + 128; x0 < end; x0 += step) {
    const a = codesAt(kind, x0, f0, rounder);
    const b = codesAt(kind, x1, f1, rounder);
    const c = codesAt(kind, x2, f2, rounder);
    const d = codesAt(kind, x3, f3, rounder);
    if (kind == ELEVEN) {
      v128.store(code, firstHalves(a, b));
      v128.store(code, firstHalves(c, d), 16);
      v128.store(code, lastHalves(a, b), 32);
      v128.store(code, lastHalves(c, d), 48);
    } else {
      storeTransposed(a, b, c, d, code, 16);
      s0 = withCodes(kind, s0, a);
      s1 = withCodes(kind, s1, b);
      s2 = withCodes(kind, s2, c);
      s3 = withCodes(kind, s3, d);
    }
    code += 64;
    x1 += step;
    x2 += step;
    x3 += step;
  }
  if (kind == ELEVEN) {
    v128.store(pair, scales);
    return;
  }
  const sums = f32x4.mul(scales, f32x4.convert_i32x4_s(laneSums(s0, s1, s2, s3)));
  v128.store(pair, zipFirst(scales, sums));
  v128.store(pair, zipLast(scales, sums), 16);
}

/**
 * Stores the constants for encoding at `at`, to be loaded before a loop; V8 would build constants again at each use.
 */
// @ts-ignore: decorator
@inline
export function putEncoding(at: usize): void {
  store<i32>(at, 0x7fffffff);
  // 1.5 * 2^23, which `rounded` adds.
  store<i32>(at, 0x4b400000, 4);
}

/**
 * Returns a mask of four lanes for the rows of a tile. All bits of lane r are set if r is less than `rows`, the number
 * of rows that remain.
 */
// @ts-ignore: decorator
@inline
export function rowsThere(rows: i32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(rows));
}

/** Returns true if any of four magnitudes (bit patterns) is NaN or too large for codes. */
// @ts-ignore: decorator
@inline
export function anyTooLarge(bits: v128): bool {
  return v128.any_true(i32x4.ge_s(bits, i32x4.splat(TOO_LARGE)));
}

/**
 * Quantises x [rows, k], where k is a multiple of 32, in tiles of INT8_ROWS rows; the last tile is padded with zeros.
 * In a tile, the codes of its rows are interleaved: four bytes, two words or, for 11-bit codes, four words of each row
 * alternate. After the codes, a tile holds the scale and the scaled sum of each block of 32 elements of each row (for
 * 11-bit codes only the scale). Returns 1 if a value is too large for codes, otherwise 0.
 */
// @ts-ignore: decorator
@inline
export function encodeRows(kind: i32, x: usize, out: usize, rows: i32, k: i32): i32 {
  const xrs = <usize>k << 2;
  const codesBytes = <usize>(INT8_ROWS * k) << (kind == BYTES ? 0 : 1);
  const tile = kind == ELEVEN ? codesBytes + <usize>(k >> 1) : <usize>INT8_ROWS * int8RowBytes(k, kind == BYTES ? 1 : 2);
  putEncoding(out);
  const magnitude = v128.load32_splat(out);
  const rounder = v128.load32_splat(out, 4);
  let all = i32x4.splat(0);
  for (; rows > 0; rows -= INT8_ROWS) {
    // A missing row is read from another row and multiplied by 0.
    const there = rowsThere(rows);
    let x1 = x + <usize>min(1, rows - 1) * xrs;
    let x2 = x + <usize>min(2, rows - 1) * xrs;
    let x3 = x + <usize>min(3, rows - 1) * xrs;
    const next = x3 + xrs;
    let code = out;
    let pair = out + codesBytes;
    for (const end = x + xrs; x < end; x += 128) {
      const most = v128.and(largestOfFour(x, x1, x2, x3, magnitude), there);
      all = i32x4.max_s(all, most);
      encodeBlock(kind, x, x1, x2, x3, most, rounder, code, pair);
      code += kind == BYTES ? 128 : 256;
      pair += kind == ELEVEN ? 16 : 32;
      x1 += 128;
      x2 += 128;
      x3 += 128;
    }
    x = next;
    out += tile;
  }
  return anyTooLarge(all) ? 1 : 0;
}
