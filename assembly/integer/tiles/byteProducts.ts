// Products of signed bytes and bytes below 128, and sums of blocks of them.
import { firstHalves, lastHalves, storePair, zipFirst, zipLast } from "../../simd/lanes";

/**
 * Returns `sums`, four 32-bit sums, plus the products of 16 signed bytes and 16 bytes below 128. Four products are
 * added to each sum.
 */
// @ts-ignore: decorator
@inline
export function dotBytes(signed: v128, seven: v128, sums: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_dot_i8x16_i7x16_add_s(signed, seven, sums);
  const low = i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(signed), i16x8.extend_low_i8x16_s(seven));
  const high = i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(signed), i16x8.extend_high_i8x16_s(seven));
  const even = v128.shuffle<i32>(low, high, 0, 2, 4, 6);
  return i32x4.add(sums, i32x4.add(even, v128.shuffle<i32>(low, high, 1, 3, 5, 7)));
}

/**
 * Returns four 32-bit sums, one per column. If `inShort` is true, `sums` holds eight 16-bit sums; pairs of neighbours
 * are added. Otherwise returns `sums` unchanged. `ones` is a vector of 16-bit ones.
 */
// @ts-ignore: decorator
@inline
export function widened(inShort: bool, sums: v128, ones: v128): v128 {
  return inShort ? i32x4.dot_i16x8_s(sums, ones) : sums;
}

/**
 * Returns the sums of the products of 16 bytes in `signed` and 16 bytes below 128 in `seven`. The result is the same as
 * from `addBytes` with sums of 0, but takes no addition.
 */
// @ts-ignore: decorator
@inline
export function firstBytes(inShort: bool, signed: v128, seven: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD && inShort) return i16x8.relaxed_dot_i8x16_i7x16_s(signed, seven);
  return dotBytes(signed, seven, i32x4.splat(0));
}

/**
 * Returns `sums` plus the products of 16 bytes in `signed` and 16 bytes below 128 in `seven`. If `inShort` is true, the
 * sums have 16 bits, and the bytes in `seven` must be below 16.
 */
// @ts-ignore: decorator
@inline
export function addBytes(inShort: bool, signed: v128, seven: v128, sums: v128): v128 {
  if (!ASC_FEATURE_RELAXED_SIMD) return dotBytes(signed, seven, sums);
  if (inShort) return i16x8.add(sums, i16x8.relaxed_dot_i8x16_i7x16_s(signed, seven));
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(signed, seven, sums);
}

/** Returns one vector of integers: lane i is the sum of the four lanes of the i-th argument. */
// @ts-ignore: decorator
@inline
export function laneSums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(zipFirst(a, b), zipLast(a, b));
  const cd = i32x4.add(zipFirst(c, d), zipLast(c, d));
  return i32x4.add(firstHalves(ab, cd), lastHalves(ab, cd));
}

/**
 * Returns the sums of four columns after a block: before + minima * sum + products * scales * scale. `scale` and `sum`
 * are the scale and scaled sum of the block of x. Products and sums are rounded separately, so that all builds give the
 * same bits.
 */
// @ts-ignore: decorator
@inline
export function withQ4(before: v128, products: v128, scales: v128, minima: v128, scale: v128, sum: v128): v128 {
  const shifted = f32x4.add(before, f32x4.mul(minima, sum));
  return f32x4.add(shifted, f32x4.mul(f32x4.convert_i32x4_s(products), f32x4.mul(scales, scale)));
}

/**
 * Adds a block's products with one row of x to the row's eight sums. `low` and `high` hold the products of the first
 * four and the last four columns. The columns' scales and minima are arguments, so that they are loaded only once for
 * all rows.
 */
// @ts-ignore: decorator
@inline
export function addBlock(
  to: usize, low: v128, high: v128, scales0: v128, scales1: v128, minima0: v128, minima1: v128, pair: usize,
): void {
  const scale = v128.load32_splat(pair);
  const sum = v128.load32_splat(pair, 4);
  const first = withQ4(v128.load(to), low, scales0, minima0, scale, sum);
  const last = withQ4(v128.load(to, 16), high, scales1, minima1, scale, sum);
  storePair(to, first, last);
}

/** Adds a block's products with one row of x, times their scales, to four of the row's sums. */
// @ts-ignore: decorator
@inline
export function addFour(to: usize, products: v128, factors: usize, pair: usize): void {
  const scale = v128.load32_splat(pair);
  const sum = v128.load32_splat(pair, 4);
  v128.store(to, withQ4(v128.load(to), products, v128.load(factors), v128.load(factors, 32), scale, sum));
}
