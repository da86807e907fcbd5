/** Converts one f16 to f32. */
// @ts-ignore: decorator
@inline
export function widenHalf(code: u32): f32 {
  const sign = (code & 0x8000) << 16;
  const magnitude = code & 0x7fff;
  // Infinity and NaN keep their all-ones exponent.
  if (magnitude >= 0x7c00) return reinterpret<f32>(sign | ((magnitude << 13) + 0x70000000));
  return reinterpret<f32>(sign | reinterpret<u32>(reinterpret<f32>(magnitude << 13) * reinterpret<f32>(0x77800000)));
}

/**
 * Converts four f16 values, each sign-extended to a 32-bit lane, to f32. The other arguments are the values of
 * `HALF_CONSTANTS`.
 */
// @ts-ignore: decorator
@inline
export function widenHalves(codes: v128, mask: v128, power: v128, limit: v128, exponent: v128): v128 {
  const scaled = f32x4.mul(v128.and(i32x4.shl(codes, 13), mask), power);
  // Infinity and NaN have become 2^16 or more; their exponent is set to all ones.
  return v128.or(scaled, v128.and(f32x4.ge(f32x4.abs(scaled), limit), exponent));
}

/** Converts the f16 values in the low half of each of four lanes to f32. */
// @ts-ignore: decorator
@inline
export function lowHalves(codes: v128, mask: v128, power: v128, limit: v128, exponent: v128): v128 {
  return widenHalves(i32x4.shr_s(i32x4.shl(codes, 16), 16), mask, power, limit, exponent);
}
