// The extremum of a row.
import { loadPart, maxOf } from "../simd/lanes";

/**
 * Returns the larger of each pair of lanes, or the smaller if `smallest` (a constant in each call); NaN if either is
 * NaN.
 */
// @ts-ignore: decorator
@inline
export function better(smallest: bool, a: v128, b: v128): v128 {
  return smallest ? f32x4.min(a, b) : f32x4.max(a, b);
}

/** Returns the largest or smallest of n >= 1 floats, or NaN if one is NaN. */
// @ts-ignore: decorator
@inline
export function rowExtremum(smallest: bool, x: usize, n: i32): f32 {
  const first = v128.load32_splat(x);
  let top = first;
  for (; n >= 8; n -= 8) {
    top = better(smallest, top, better(smallest, v128.load(x), v128.load(x, 16)));
    x += 32;
  }
  for (; n > 0; n -= 4) {
    top = better(smallest, top, loadPart(x, n, first));
    x += 16;
  }
  return smallest ? -maxOf(f32x4.neg(top)) : maxOf(top);
}
