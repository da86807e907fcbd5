/**
 * Returns x * y + sum. The result is rounded once (fused) in builds with relaxed SIMD, otherwise after the product and
 * after the sum.
 */
// @ts-ignore: decorator
@inline
export function madd(x: v128, y: v128, sum: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(x, y, sum) : f32x4.add(sum, f32x4.mul(x, y));
}
