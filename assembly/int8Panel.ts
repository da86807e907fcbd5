// Panels of quantised weights for the register tiles of integer products.
import { widenHalves } from "./half";

/** Columns of a panel: rows of the weight. */
export const Q4_COLUMNS: i32 = 8;
export const Q8_COLUMNS: i32 = 4;

/**
 * Bytes of a block of a panel: for each four of its 32 elements four bytes of each column;
 * then scales, and minima.
 */
export const Q4_PANEL: usize = 320;
export const Q8_PANEL: usize = 144;

/**
 * Writes four vectors so that dst, in steps of `step` bytes, takes their first lanes, then
 * their second ones, and so on.
 */
// @ts-ignore: decorator
@inline
export function storeTransposed(a: v128, b: v128, c: v128, d: v128, dst: usize, step: usize): void {
  const ab0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd0 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const cd1 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(dst, v128.shuffle<i64>(ab0, cd0, 0, 2));
  v128.store(dst + step, v128.shuffle<i64>(ab0, cd0, 1, 3));
  v128.store(dst + 2 * step, v128.shuffle<i64>(ab1, cd1, 0, 2));
  v128.store(dst + 3 * step, v128.shuffle<i64>(ab1, cd1, 1, 3));
}

/** The sums over the lanes of four vectors of integers. */
// @ts-ignore: decorator
@inline
export function laneSums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i64>(ab, cd, 0, 2), v128.shuffle<i64>(ab, cd, 1, 3));
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
