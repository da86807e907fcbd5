/** The number that an f16 code means. */
// @ts-ignore: decorator
@inline
export function widenHalf(code: u32): f32 {
  const sign = (code & 0x8000) << 16;
  const magnitude = code & 0x7fff;
  // Infinity and NaN keep their all-ones exponent.
  if (magnitude >= 0x7c00) return reinterpret<f32>(sign | ((magnitude << 13) + 0x70000000));
  return reinterpret<f32>(sign | reinterpret<u32>(reinterpret<f32>(magnitude << 13) * reinterpret<f32>(0x77800000)));
}
