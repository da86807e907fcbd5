// Panels of quantised weights for the register tiles of integer products.
import { widenHalves } from "./widenHalf";
import { firstHalves, lastHalves, zipFirst, zipLast } from "./lanes";

/** Columns of a panel: rows of the weight. */
export const Q4_COLUMNS: i32 = 8;
export const Q8_COLUMNS: i32 = 4;

/**
 * Bytes of a block of a panel: for each four of its 32 elements four bytes of each column;
 * then scales, and minima.
 */
export const Q4_PANEL: usize = 320;
export const Q8_PANEL: usize = 144;

/** The sums over the lanes of four vectors of integers. */
// @ts-ignore: decorator
@inline
export function laneSums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(zipFirst(a, b), zipLast(a, b));
  const cd = i32x4.add(zipFirst(c, d), zipLast(c, d));
  return i32x4.add(firstHalves(ab, cd), lastHalves(ab, cd));
}

/** The first four bytes of four blocks. */
// @ts-ignore: decorator
@inline
export function heads(a: usize, b: usize, c: usize, d: usize): v128 {
  return v128.load32_lane(d, v128.load32_lane(c, v128.load32_lane(b, v128.load32_zero(a), 1), 2), 3);
}

/** Four halves, each in the lower part of its lane, as floats. */
// @ts-ignore: decorator
@inline
export function lowHalves(codes: v128, mask: v128, power: v128, limit: v128, exponent: v128): v128 {
  return widenHalves(i32x4.shr_s(i32x4.shl(codes, 16), 16), mask, power, limit, exponent);
}
