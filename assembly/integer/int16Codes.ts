// Floats as 16-bit codes. X has codes of 13 bits, and a scale for each row and 64 elements along the contraction. W has
// codes of 14 bits, and a scale for each square of 64 x 64, so that one copy serves both directions. The sum of 64
// products of such codes fits 32 bits and is exact. Rows are stored in groups, interleaved by pairs of codes: groups of
// four for X, of eight for W.
import { storeTransposed } from "../simd/lanes";
import { rounded } from "./rowCodes";

/** Elements per scale: X has a scale for 64 elements of a row, W for a square of 64 x 64. */
export const BLOCK: i32 = 64;

/** The largest code of X. With it and LARGEST_W, the sum of 64 products is below 2^31. */
const LARGEST_X: f32 = 4095;
/** The largest code of W. */
export const LARGEST_W: f32 = 8191;

/** Number of rows of X in a group, whose codes are interleaved. */
export const ROWS: i32 = 4;

/** Number of rows of W in a panel, whose codes are interleaved. */
export const PANEL: i32 = 8;

/** Returns the number of blocks of 64 that cover `length` elements. */
// @ts-ignore: decorator
@inline
export function blocksOf(length: i32): i32 {
  return (length + BLOCK - 1) / BLOCK;
}

/** Returns the number of codes stored for a row of `length` elements: rounded up to a multiple of eight. */
// @ts-ignore: decorator
@inline
export function pitch(length: i32): i32 {
  return (length + 7) & ~7;
}

/** Returns the size in bytes of the codes of X [m,k]. The scales are stored after them. */
// @ts-ignore: decorator
@inline
function rowCodes(m: i32, k: i32): usize {
  return <usize>(((m + ROWS - 1) & ~(ROWS - 1)) * pitch(k)) << 1;
}

/** Returns the size in bytes of the result of `quantizeInt16` for X [m,k]. */
export function int16RowsBytes(m: i32, k: i32): i32 {
  return <i32>rowCodes(m, k) + ((((m + ROWS - 1) & ~(ROWS - 1)) * blocksOf(k)) << 2);
}

/** Returns the number of rows of a weight, rounded up to whole panels. */
// @ts-ignore: decorator
@inline
export function heightOf(rows: i32): i32 {
  return (rows + PANEL - 1) & -PANEL;
}

/** Returns the size in bytes of the codes of a weight. The scales of its 64 x 64 squares are stored after them. */
// @ts-ignore: decorator
@inline
function weightCodes(rows: i32, columns: i32): usize {
  return <usize>(heightOf(rows) * pitch(columns)) << 1;
}

/** Returns the size in bytes of the result of `packInt16` for a weight. */
export function int16WeightBytes(rows: i32, columns: i32): i32 {
  return <i32>weightCodes(rows, columns) + ((blocksOf(rows) * blocksOf(columns)) << 2);
}

/**
 * Returns the largest magnitude of `count` floats, or `before` if that is larger, as bit patterns. NaN counts as the
 * largest.
 */
export function largestBits(x: usize, count: i32, before: i32): i32 {
  const magnitude = i32x4.splat(0x7fffffff);
  let most = i32x4.splat(before);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    most = i32x4.max_s(most, v128.and(v128.load(x), magnitude));
    x += 16;
  }
  let all = max(
    max(i32x4.extract_lane(most, 0), i32x4.extract_lane(most, 1)),
    max(i32x4.extract_lane(most, 2), i32x4.extract_lane(most, 3)),
  );
  for (; i < count; i++) {
    all = max(all, load<i32>(x) & 0x7fffffff);
    x += 4;
  }
  return all;
}

/**
 * Returns how many of `count` floats are not 0 but would be rounded to the code 0, since their magnitudes are less than
 * `half`.
 */
export function lostCodes(x: usize, count: i32, half: f32): i32 {
  let lost = 0;
  for (; count > 0; count--) {
    const size = abs(load<f32>(x));
    if (size > 0 && size < half) lost++;
    x += 4;
  }
  return lost;
}

/** Returns 1 / scale for four scales, or 0 if that would be infinite. */
// @ts-ignore: decorator
@inline
function factorsOf(scales: v128): v128 {
  const factors = f32x4.div(f32x4.splat(1), scales);
  return v128.and(factors, f32x4.lt(factors, f32x4.splat(Infinity)));
}

/**
 * 1.5 * 2^23. Adding it to a small float rounds the float to the nearest integer, ties to even. The integer is then the
 * bits of the sum minus the bits of this constant.
 */
const ROUNDER: f32 = 12582912;

/** Rounds eight floats times `factor` to 16-bit codes. */
// @ts-ignore: decorator
@inline
function encoded(x: usize, factor: v128, rounder: v128): v128 {
  return i16x8.narrow_i32x4_s(rounded(x, factor, rounder), rounded(x + 16, factor, rounder));
}

/**
 * Writes the codes of the last `count` (fewer than eight) floats of a row, in pairs `step` bytes apart, and pads them
 * with zeros to eight codes.
 */
function encodeRest(x: usize, factor: f32, count: i32, to: usize, step: usize): void {
  for (let j = 0; j < 8; j++) {
    const at = to + <usize>(j >> 1) * step + (<usize>(j & 1) << 1);
    store<i16>(at, j < count ? <i16>nearest<f32>(load<f32>(x + (<usize>j << 2)) * factor) : 0);
  }
}

/**
 * Writes `count` floats of each of four rows as codes, after multiplying each row by its factor. Codes are interleaved
 * by row, in pairs. A group of 16 bytes holds one pair of each row; groups are `step` bytes apart. Pads with zeros to a
 * multiple of eight codes.
 */
function encodeFour(x0: usize, x1: usize, x2: usize, x3: usize, factors: v128, count: i32, to: usize, step: usize): void {
  const rounder = f32x4.splat(ROUNDER);
  const factor0 = f32x4.splat(f32x4.extract_lane(factors, 0));
  const factor1 = f32x4.splat(f32x4.extract_lane(factors, 1));
  const factor2 = f32x4.splat(f32x4.extract_lane(factors, 2));
  const factor3 = f32x4.splat(f32x4.extract_lane(factors, 3));
  let at: usize = 0;
  for (; count >= 8; count -= 8) {
    const a = encoded(x0 + at, factor0, rounder);
    const b = encoded(x1 + at, factor1, rounder);
    const c = encoded(x2 + at, factor2, rounder);
    const d = encoded(x3 + at, factor3, rounder);
    storeTransposed(a, b, c, d, to, step);
    at += 32;
    to += step << 2;
  }
  if (count == 0) return;
  encodeRest(x0 + at, f32x4.extract_lane(factors, 0), count, to, step);
  encodeRest(x1 + at, f32x4.extract_lane(factors, 1), count, to + 4, step);
  encodeRest(x2 + at, f32x4.extract_lane(factors, 2), count, to + 8, step);
  encodeRest(x3 + at, f32x4.extract_lane(factors, 3), count, to + 12, step);
}

/** Returns true if a magnitude, given as its bit pattern, is infinite or NaN. */
// @ts-ignore: decorator
@inline
export function isNotFinite(bits: i32): bool {
  return bits >= 0x7f800000;
}

/**
 * Writes the codes of X [m,k] and their scales. Returns the bit pattern of the largest magnitude; if that is NaN or
 * infinity, the codes must not be used.
 */
export function quantizeInt16(x: usize, out: usize, m: i32, k: i32): i32 {
  let scales = out + rowCodes(m, k);
  let most = 0;
  for (let top = 0; top < m; top += ROWS) {
    const last = m - 1;
    // A missing row is read from another row and multiplied by 0.
    let x0 = x + (<usize>(top * k) << 2);
    let x1 = x + (<usize>(min(top + 1, last) * k) << 2);
    let x2 = x + (<usize>(min(top + 2, last) * k) << 2);
    let x3 = x + (<usize>(min(top + 3, last) * k) << 2);
    for (let left = k; left > 0; left -= BLOCK) {
      const count = min(BLOCK, left);
      const b0 = largestBits(x0, count, 0);
      const b1 = top + 1 < m ? largestBits(x1, count, 0) : 0;
      const b2 = top + 2 < m ? largestBits(x2, count, 0) : 0;
      const b3 = top + 3 < m ? largestBits(x3, count, 0) : 0;
      most = max(most, max(max(b0, b1), max(b2, b3)));
      const s = f32x4.div(i32x4(b0, b1, b2, b3), f32x4.splat(LARGEST_X));
      v128.store(scales, s);
      encodeFour(x0, x1, x2, x3, factorsOf(s), count, out, 16);
      x0 += BLOCK << 2;
      x1 += BLOCK << 2;
      x2 += BLOCK << 2;
      x3 += BLOCK << 2;
      out += <usize>pitch(count) << 3;
      scales += 16;
    }
  }
  return most;
}

/**
 * Writes the codes of some rows of a weight [rows,columns], and a scale for each square of 64 x 64. The first row must
 * be the start of a square. All elements must be finite. `wide` is 0, or has one byte per square; squares marked with 1
 * get zeros.
 */
export function packInt16Rows(w: usize, out: usize, scales: usize, rows: i32, columns: i32, wide: usize): void {
  const width = pitch(columns);
  const wrs = <usize>columns << 2;
  for (let top = 0; top < rows; top += BLOCK) {
    const height = min(BLOCK, rows - top);
    for (let from = 0; from < columns; from += BLOCK) {
      const count = min(BLOCK, columns - from);
      const corner = w + <usize>top * wrs + (<usize>from << 2);
      let bits = 0;
      for (let r: usize = 0; r < <usize>height; r++) bits = largestBits(corner + r * wrs, count, bits);
      const scale: f32 = wide && load<u8>(wide++) ? 0 : f32.reinterpret_i32(bits) / LARGEST_W;
      store<f32>(scales, scale);
      scales += 4;
      const factors = factorsOf(f32x4.splat(scale));
      const last = height - 1;
      for (let r = 0; r < heightOf(height); r += ROWS) {
        const there = v128.and(factors, i32x4.gt_s(i32x4.splat(height - r), i32x4(0, 1, 2, 3)));
        encodeFour(
          corner + <usize>min(r, last) * wrs, corner + <usize>min(r + 1, last) * wrs,
          corner + <usize>min(r + 2, last) * wrs, corner + <usize>min(r + 3, last) * wrs, there, count,
          out + (<usize>((top + (r & -PANEL)) * width + from * PANEL) << 1) + (<usize>(r & ROWS) << 2), PANEL << 2,
        );
      }
    }
  }
}

/**
 * Writes the codes and scales of a weight [rows,columns]. Squares marked in `wide` get zeros. All elements must be
 * finite.
 */
export function packInt16(w: usize, out: usize, rows: i32, columns: i32, wide: usize): void {
  packInt16Rows(w, out, out + weightCodes(rows, columns), rows, columns, wide);
}

/** Returns the fraction of X's elements that are not zero but round to the code 0. */
export function int16LostShare(x: usize, rows: i32, columns: i32): f64 {
  let lost = 0;
  for (let row = 0; row < rows; row++) {
    for (let left = columns; left > 0; left -= BLOCK) {
      const count = min(BLOCK, left);
      lost += lostCodes(x, count, f32.reinterpret_i32(largestBits(x, count, 0)) / (2 * LARGEST_X));
      x += <usize>count << 2;
    }
  }
  return <f64>lost / (<f64>rows * <f64>columns);
}

/** Returns the address of the scales of X [m,k], if `quantizeInt16` wrote its codes at `x`. */
export function int16RowScales(x: usize, m: i32, k: i32): usize {
  return x + rowCodes(m, k);
}

/**
 * Returns the address of the codes of X, or of a weight, from `row` on. `row` must be the first row of a group of
 * interleaved rows.
 */
export function int16CodesFrom(codes: usize, row: i32, columns: i32): usize {
  return codes + (<usize>(row * pitch(columns)) << 1);
}

/** Returns the address of the scales of a weight's squares from `row` on. */
export function int16WeightScales(w: usize, rows: i32, columns: i32, row: i32): usize {
  return w + weightCodes(rows, columns) + (<usize>((row / BLOCK) * blocksOf(columns)) << 2);
}
