// C[m,n] = X[m,k] W[k,n] with a weight of 4- or 5-bit codes in blocks of 32 along n, as stored: products of bytes. A
// block's scale belongs to one element of the contraction. So a row of X is first multiplied by the scales, and rounded
// to 8 bits again for each 32 columns. A part of onDemand.ts.
import { addBytes, firstBytes, widened } from "../tiles/byteProducts";
import {
  Q4_0, Q4_0_BYTES, Q4_1, Q4_1_BYTES, Q4_K, Q4_K_BYTES, Q5_0, Q5_0_BYTES, Q5_1, Q5_1_BYTES, Q5_K, Q5_K_BYTES,
} from "../../formats/dtypes.gen";
import { halfOfFive } from "./fiveBitInt8";
import { int11Codes, int11Tile, LARGEST } from "../int11";
import { Q4_COLUMNS } from "../tiles/panels";
import { codesOf } from "../../formats/gguf/kGroups";
import { groupMinima, groupScales } from "./kInt8";
import { addPair, heads, zipHigh, zipLow } from "../../simd/lanes";
import { INT8_ROWS } from "../rowCodes";
import { onesOf, putOnes, putSums, TILE } from "../tiles/tileSums";
import { lowHalves, widenHalves } from "../../simd/widenHalf";

/** True if this build adds byte products in 16-bit lanes first (relaxed SIMD). Results are bit-identical either way. */
const SHORT: bool = ASC_FEATURE_RELAXED_SIMD;

/**
 * Number of neighbouring columns in a row of the weight that share a scale. Also the number of neighbouring elements in
 * a row of X that share a scale.
 */
const BLOCK: i32 = 32;

/**
 * Number of blocks along the summed dimension that are processed at a time. The codes of 32 columns then stay in the L1
 * cache.
 */
const DEPTH: i32 = 24;

/** Bytes of the codes of a block of 32 elements of eight columns. */
const PANEL: usize = 256;

/**
 * Bytes of the factors of a block: 32 scales and 32 offsets as 16-bit codes, then two floats that convert these codes
 * to values.
 */
const FACTORS: usize = 144;

/** Size in bytes of a block of four rows of X: their codes, their scales, and the initial values of their sums. */
const ROWS: usize = 160;

/**
 * The largest code of an offset. A sum of 32 products of such codes with codes of X, which are at most LARGEST, then
 * stays below 2^31.
 */
const LARGEST_OFFSET: f32 = 32767;

/** Returns the middle of the code range. A weight is scale * (code - middle) + offset. */
// @ts-ignore: decorator
@inline
function middleOf(five: bool): i32 {
  return five ? 16 : 8;
}

// @ts-ignore: decorator
@inline
function hasFive(format: i32): bool {
  return format == Q5_0 || format == Q5_1 || format == Q5_K;
}

// @ts-ignore: decorator
@inline
function isGroups(format: i32): bool {
  return format == Q4_K || format == Q5_K;
}

/** Returns the size in bytes of a block, which has 256 elements for q4_k and q5_k, and 32 for other formats. */
function blockBytes(format: i32): usize {
  if (isGroups(format)) return format == Q4_K ? Q4_K_BYTES : Q5_K_BYTES;
  if (hasFive(format)) return format == Q5_0 ? Q5_0_BYTES : Q5_1_BYTES;
  return format == Q4_0 ? Q4_0_BYTES : Q4_1_BYTES;
}

/**
 * Offset in scratch memory of a block's scales and zero points, converted to floats. They are stored directly after the
 * sums of a tile.
 */
const FLOATS: usize = TILE;
const FACTORS_AT: usize = FLOATS + 256;
const ROWS_AT: usize = FACTORS_AT + <usize>DEPTH * FACTORS;
const PANELS_AT: usize = ROWS_AT + <usize>DEPTH * ROWS;

/** Returns the size in bytes of the scratch memory for `nibblesLater`. It is the same for all sizes of matrices. */
export function nibbleProductScratch(): i32 {
  return <i32>PANELS_AT + DEPTH * BLOCK * BLOCK;
}

/** Returns the largest magnitude of 32 floats. */
function largestOf(x: usize): f32 {
  let most = f32x4.abs(v128.load(x));
  for (let i: usize = 16; i < 128; i += 16) most = f32x4.max(most, f32x4.abs(v128.load(x + i)));
  most = f32x4.max(most, v128.shuffle<f32>(most, most, 2, 3, 0, 1));
  return max(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1));
}

/** Writes 32 floats as 16-bit codes from -largest to `largest`, and returns their scale. */
function encode(x: usize, largest: f32, codes: usize): f32 {
  const step = largestOf(x) / largest;
  const inverse: f32 = 1 / step;
  const factor = f32x4.splat(inverse < Infinity ? inverse : 0);
  for (let i: usize = 0; i < 128; i += 32) {
    const low = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + i), factor)));
    const high = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + i, 16), factor)));
    v128.store(codes + (i >> 1), i16x8.narrow_i32x4_s(low, high));
  }
  return step;
}

/** Writes the 4-bit codes of four rows of 32 columns. Four codes of each column, one per row, are stored together. */
// @ts-ignore: decorator
@inline
function packFour(b0: v128, b1: v128, b2: v128, b3: v128, nibble: v128, to: usize, apart: usize): void {
  const left01 = zipLow(b0, b1);
  const left23 = zipLow(b2, b3);
  const right01 = zipHigh(b0, b1);
  const right23 = zipHigh(b2, b3);
  storeNibbles(v128.shuffle<i16>(left01, left23, 0, 8, 1, 9, 2, 10, 3, 11), nibble, to, apart);
  storeNibbles(v128.shuffle<i16>(left01, left23, 4, 12, 5, 13, 6, 14, 7, 15), nibble, to + 16, apart);
  storeNibbles(v128.shuffle<i16>(right01, right23, 0, 8, 1, 9, 2, 10, 3, 11), nibble, to + apart, apart);
  storeNibbles(v128.shuffle<i16>(right01, right23, 4, 12, 5, 13, 6, 14, 7, 15), nibble, to + apart + 16, apart);
}

/**
 * Splits 16 bytes into nibbles. Stores the low nibbles at `to`, and the high nibbles, which belong to the columns 16
 * further on, at `to` + 2 * `apart`.
 */
// @ts-ignore: decorator
@inline
function storeNibbles(bytes: v128, nibble: v128, to: usize, apart: usize): void {
  v128.store(to, v128.and(bytes, nibble));
  v128.store(to + 2 * apart, v128.and(i16x8.shr_u(bytes, 4), nibble));
}

/**
 * Writes the codes of four rows of 16 columns, given as one byte per code. Four codes of each column, one per row, are
 * stored together.
 */
// @ts-ignore: decorator
@inline
function packSixteen(b0: v128, b1: v128, b2: v128, b3: v128, to: usize, apart: usize): void {
  const left01 = zipLow(b0, b1);
  const left23 = zipLow(b2, b3);
  const right01 = zipHigh(b0, b1);
  const right23 = zipHigh(b2, b3);
  v128.store(to, v128.shuffle<i16>(left01, left23, 0, 8, 1, 9, 2, 10, 3, 11));
  v128.store(to + 16, v128.shuffle<i16>(left01, left23, 4, 12, 5, 13, 6, 14, 7, 15));
  v128.store(to + apart, v128.shuffle<i16>(right01, right23, 0, 8, 1, 9, 2, 10, 3, 11));
  v128.store(to + apart + 16, v128.shuffle<i16>(right01, right23, 4, 12, 5, 13, 6, 14, 7, 15));
}

/**
 * Writes the codes of four rows of 32 columns: group `group` of blocks of q4_k or q5_k. Four codes of each column, one
 * per row, are stored together.
 */
// @ts-ignore: decorator
@inline
function packGroup(five: bool, w: usize, w1: usize, w2: usize, w3: usize, group: i32, to: usize, apart: usize): void {
  for (let part: usize = 0; part < 2; part++) {
    packSixteen(
      codesOf(five, w, group, part), codesOf(five, w1, group, part), codesOf(five, w2, group, part), codesOf(five, w3, group, part),
      to + 2 * part * apart, apart,
    );
  }
}

/**
 * Writes the codes of four rows of 32 columns: a block of q5_0 or q5_1 per row. Four codes of each column, one per row,
 * are stored together.
 */
// @ts-ignore: decorator
@inline
function packFive(minimum: bool, w: usize, w1: usize, w2: usize, w3: usize, to: usize, apart: usize): void {
  for (let part = 0; part < 2; part++) {
    packSixteen(
      halfOfFive(minimum, w, part), halfOfFive(minimum, w1, part), halfOfFive(minimum, w2, part), halfOfFive(minimum, w3, part),
      to + 2 * <usize>part * apart, apart,
    );
  }
}

/**
 * Packs the codes and factors of 32 columns of a weight, for `blocks` * 32 rows, which are `wrs` bytes apart. For q4_k
 * and q5_k, the columns are group `group` of a block.
 */
function pack(format: i32, w: usize, wrs: usize, group: i32, blocks: i32, scratch: usize): void {
  const apart = <usize>blocks * PANEL;
  const scales = scratch + FLOATS;
  const nibble = i8x16.splat(15);
  // The values of `HALF_CONSTANTS`, which is static data and so not available here.
  const mask = i32x4.splat(0x8fffe000);
  const power = i32x4.splat(0x77800000);
  const limit = i32x4.splat(0x47800000);
  const exponent = i32x4.splat(0x7f800000);
  const middle = f32x4.splat(<f32>middleOf(hasFive(format)));
  const minimum = format == Q4_1 || format == Q5_1;
  const codes: usize = minimum ? 4 : 2;
  let panel = scratch + PANELS_AT;
  let factors = scratch + FACTORS_AT;
  for (let b = 0; b < blocks; b++) {
    for (let r: usize = 0; r < 128; r += 16) {
      const w1 = w + wrs;
      const w2 = w1 + wrs;
      const w3 = w2 + wrs;
      if (format == Q4_K) packGroup(false, w, w1, w2, w3, group, panel, apart);
      else if (format == Q5_K) packGroup(true, w, w1, w2, w3, group, panel, apart);
      else if (format == Q5_0) packFive(false, w, w1, w2, w3, panel, apart);
      else if (format == Q5_1) packFive(true, w, w1, w2, w3, panel, apart);
      else {
        packFour(
          v128.load(w + codes), v128.load(w1 + codes), v128.load(w2 + codes), v128.load(w3 + codes), nibble, panel, apart,
        );
      }
      let scale: v128;
      // Without a minimum the codes are stored with their middle, so the offset is 0.
      let offset = f32x4.splat(0);
      if (isGroups(format)) {
        scale = groupScales(w, w1, w2, w3, group);
        offset = f32x4.add(groupMinima(w, w1, w2, w3, group), f32x4.mul(scale, middle));
      } else {
        const pairs = heads(w, w1, w2, w3);
        scale = lowHalves(pairs, mask, power, limit, exponent);
        if (minimum) {
          const least = widenHalves(i32x4.shr_s(pairs, 16), mask, power, limit, exponent);
          offset = f32x4.add(least, f32x4.mul(scale, middle));
        }
      }
      v128.store(scales + r, scale);
      v128.store(scales + r, offset, 128);
      w = w3 + wrs;
      panel += 32;
    }
    // An 8-bit code is the product of two 11-bit codes, shifted right by 15.
    store<f32>(factors, encode(scales, LARGEST, factors + 16) * 32768);
    store<f32>(factors, encode(scales + 128, LARGEST_OFFSET, factors + 80), 4);
    factors += FACTORS;
  }
}

/** Returns a * b / 2^15, rounded, for 16-bit integers. */
// @ts-ignore: decorator
@inline
function scaled(a: v128, b: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i16x8.relaxed_q15mulr_s(a, b) : i16x8.q15mulr_sat_s(a, b);
}

/** Returns the sums of neighbouring lanes: two from a, then two from b. */
// @ts-ignore: decorator
@inline
function pairSums(a: v128, b: v128): v128 {
  return i32x4.add(v128.shuffle<i32>(a, b, 0, 2, 4, 6), v128.shuffle<i32>(a, b, 1, 3, 5, 7));
}

/** Returns the low 16 bits of each 32-bit lane: four from a, then four from b. */
// @ts-ignore: decorator
@inline
function lowWords(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
}

/**
 * Multiplies each of four rows by the weight's scales for 32 columns, and rounds the products to bytes, for `blocks`
 * blocks. Returns, for each row, the part of its sums that comes from the weight's offsets. This part is the same for
 * all 32 columns. If `five` is true, also writes the initial value of each sum, which subtracts the middle of the range
 * of 5-bit codes.
 */
// @ts-ignore: decorator
@inline
function scaleRows(five: bool, codes: usize, steps: usize, factors: usize, blocks: i32, to: usize): v128 {
  const minusMiddle = i16x8.splat(<i16>-middleOf(five));
  let same = f32x4.splat(0);
  for (; blocks > 0; blocks--) {
    let s0 = i16x8.splat(0);
    let s1 = s0;
    let p0 = s0;
    let p1 = s0;
    const end = codes + 256;
    let factor = factors + 16;
    do {
      const a = v128.load(codes);
      const b = v128.load(codes, 16);
      const offset = v128.load64_splat(factor, 64);
      p0 = i32x4.add(p0, i32x4.dot_i16x8_s(a, offset));
      p1 = i32x4.add(p1, i32x4.dot_i16x8_s(b, offset));
      const scale = v128.load64_splat(factor);
      const c = scaled(a, scale);
      const d = scaled(b, scale);
      s0 = i16x8.add(s0, c);
      s1 = i16x8.add(s1, d);
      v128.store(to, i8x16.narrow_i16x8_s(c, d));
      codes += 32;
      factor += 8;
      to += 16;
    } while (codes < end);
    const step = v128.load(steps);
    const byteStep = f32x4.mul(step, v128.load32_splat(factors));
    v128.store(to, byteStep);
    const m0 = i32x4.dot_i16x8_s(s0, minusMiddle);
    const m1 = i32x4.dot_i16x8_s(s1, minusMiddle);
    if (five) v128.store(to, SHORT ? lowWords(m0, m1) : pairSums(m0, m1), 16);
    else same = f32x4.add(same, f32x4.mul(f32x4.convert_i32x4_s(pairSums(m0, m1)), byteStep));
    const offsets = f32x4.convert_i32x4_s(pairSums(p0, p1));
    same = f32x4.add(same, f32x4.mul(offsets, f32x4.mul(step, v128.load32_splat(factors, 4))));
    to += 32;
    steps += 16;
    factors += FACTORS;
  }
  return same;
}

/** Adds a block's products with one row, times their scale `step`, to the row's eight sums. */
// @ts-ignore: decorator
@inline
function addRow(to: usize, low: v128, high: v128, step: v128): void {
  addPair(to, f32x4.mul(f32x4.convert_i32x4_s(low), step), f32x4.mul(f32x4.convert_i32x4_s(high), step));
}

/**
 * Returns a row's sums of the first products in a block. With 5-bit codes, the products are added to the initial values
 * at `at`, otherwise to 0.
 */
// @ts-ignore: decorator
@inline
function begin(five: bool, at: usize, codes: v128, w: v128): v128 {
  return five ? addBytes(SHORT, codes, w, v128.load32_splat(at)) : firstBytes(SHORT, codes, w);
}

/**
 * Computes sums[4][8] += X W for `blocks` blocks of four rows from `scaleRows` and a panel of eight columns. With byte
 * products, 16 products are first summed in 16 bits. Overflow during this sum does no harm, because the final sum fits
 * into 16 bits. It has 16 terms of at most 127 * 15, or 127 * 16 after the middle of 5-bit codes is subtracted.
 */
// @ts-ignore: decorator
@inline
function nibbleTile(five: bool, x: usize, panel: usize, blocks: i32, sums: usize): void {
  const ones = onesOf(sums);
  for (; blocks > 0; blocks--) {
    const last = x + 112;
    let w0 = v128.load(panel);
    let w1 = v128.load(panel, 16);
    let codes = v128.load32_splat(x);
    let c00 = begin(five, x + 144, codes, w0);
    let c01 = begin(five, x + 144, codes, w1);
    codes = v128.load32_splat(x, 4);
    let c10 = begin(five, x + 148, codes, w0);
    let c11 = begin(five, x + 148, codes, w1);
    codes = v128.load32_splat(x, 8);
    let c20 = begin(five, x + 152, codes, w0);
    let c21 = begin(five, x + 152, codes, w1);
    codes = v128.load32_splat(x, 12);
    let c30 = begin(five, x + 156, codes, w0);
    let c31 = begin(five, x + 156, codes, w1);
    do {
      x += 16;
      panel += 32;
      w0 = v128.load(panel);
      w1 = v128.load(panel, 16);
      codes = v128.load32_splat(x);
      c00 = addBytes(SHORT, codes, w0, c00);
      c01 = addBytes(SHORT, codes, w1, c01);
      codes = v128.load32_splat(x, 4);
      c10 = addBytes(SHORT, codes, w0, c10);
      c11 = addBytes(SHORT, codes, w1, c11);
      codes = v128.load32_splat(x, 8);
      c20 = addBytes(SHORT, codes, w0, c20);
      c21 = addBytes(SHORT, codes, w1, c21);
      codes = v128.load32_splat(x, 12);
      c30 = addBytes(SHORT, codes, w0, c30);
      c31 = addBytes(SHORT, codes, w1, c31);
    } while (x < last);
    x += 16;
    panel += 32;
    addRow(sums, widened(SHORT, c00, ones), widened(SHORT, c01, ones), v128.load32_splat(x));
    addRow(sums + 32, widened(SHORT, c10, ones), widened(SHORT, c11, ones), v128.load32_splat(x, 4));
    addRow(sums + 64, widened(SHORT, c20, ones), widened(SHORT, c21, ones), v128.load32_splat(x, 8));
    addRow(sums + 96, widened(SHORT, c30, ones), widened(SHORT, c31, ones), v128.load32_splat(x, 12));
    x += 32;
  }
}

/**
 * Sets the initial values of a row's eight sums: to `same`, which is equal for all columns or, if `there` is true, to
 * the values at c plus `same`.
 */
// @ts-ignore: decorator
@inline
function start(to: usize, c: usize, same: v128, there: bool): void {
  v128.store(to, there ? f32x4.add(v128.load(c), same) : same);
  v128.store(to, there ? f32x4.add(v128.load(c, 16), same) : same, 16);
}

/** Calls `scaleRows` for 4-bit or 5-bit codes, depending on the format. */
function scaleRowsOf(format: i32, codes: usize, steps: usize, factors: usize, blocks: i32, to: usize): v128 {
  if (hasFive(format)) return scaleRows(true, codes, steps, factors, blocks, to);
  return scaleRows(false, codes, steps, factors, blocks, to);
}

/**
 * Calls `nibbleTile` for 4-bit codes. It is a separate function, because a test inside would prevent engines from
 * fusing neighbouring operations.
 */
function fourTile(x: usize, panel: usize, blocks: i32, sums: usize): void {
  nibbleTile(false, x, panel, blocks, sums);
}

function fiveTile(x: usize, panel: usize, blocks: i32, sums: usize): void {
  nibbleTile(true, x, panel, blocks, sums);
}

/** Implements `nibbleProduct`, which later.ts exports. */
export function nibblesLater(
  x: usize, w: usize, format: i32, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32, scratch: usize,
): void {
  const bytes = blockBytes(format);
  // log2 of the columns of a block.
  const columns = isGroups(format) ? 8 : 5;
  const wrs = <usize>(n >> columns) * bytes;
  const xrs = int11Tile(k);
  const crs = <usize>n << 2;
  const rows = scratch + ROWS_AT;
  const five = hasFive(format);
  putOnes(scratch);
  for (let j = first; j < last; j += BLOCK) {
    const group = (j / BLOCK) & 7;
    for (let from = 0; from < k; from += DEPTH * BLOCK) {
      const blocks = min(DEPTH, (k - from) / BLOCK);
      pack(format, w + <usize>from * wrs + <usize>(j >> columns) * bytes, wrs, group, blocks, scratch);
      for (let i = 0; i < m; i += INT8_ROWS) {
        const tile = x + <usize>(i / INT8_ROWS) * xrs;
        const steps = tile + int11Codes(k) + <usize>(from / BLOCK) * 16;
        const same = scaleRowsOf(format, tile + <usize>(8 * from), steps, scratch + FACTORS_AT, blocks, rows);
        const there = min(INT8_ROWS, m - i);
        let panel = scratch + PANELS_AT;
        for (let at = j; at < j + BLOCK; at += Q4_COLUMNS) {
          const to = c + <usize>i * crs + (<usize>at << 2);
          start(scratch, to, v128.shuffle<f32>(same, same, 0, 0, 0, 0), from > 0);
          start(scratch + 32, to + crs, v128.shuffle<f32>(same, same, 1, 1, 1, 1), from > 0 && there > 1);
          start(scratch + 64, to + 2 * crs, v128.shuffle<f32>(same, same, 2, 2, 2, 2), from > 0 && there > 2);
          start(scratch + 96, to + 3 * crs, v128.shuffle<f32>(same, same, 3, 3, 3, 3), from > 0 && there > 3);
          if (five) fiveTile(rows, panel, blocks, scratch);
          else fourTile(rows, panel, blocks, scratch);
          putSums(scratch, to, crs, there, Q4_COLUMNS);
          panel += <usize>blocks * PANEL;
        }
      }
    }
  }
}
