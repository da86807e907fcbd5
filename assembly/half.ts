// f16 and bf16 codes as f32.

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

/** Widens `count` bf16 codes. */
export function unpackBf16(src: usize, count: i32, dst: usize): void {
  let i = 0;
  for (; i + 8 <= count; i += 8) {
    const v = v128.load(src + (<usize>i << 1));
    const p = dst + (<usize>i << 2);
    v128.store(p, i32x4.shl(i32x4.extend_low_i16x8_u(v), 16));
    v128.store(p, i32x4.shl(i32x4.extend_high_i16x8_u(v), 16), 16);
  }
  for (; i < count; i++) store<u32>(dst + (<usize>i << 2), <u32>load<u16>(src + (<usize>i << 1)) << 16);
}

/** Four codes, each in the low half of a lane, widened as `widenHalf` does. */
// @ts-ignore: decorator
@inline
function widenHalves(codes: v128): v128 {
  const sign = i32x4.shl(v128.and(codes, i32x4.splat(0x8000)), 16);
  const magnitude = v128.and(codes, i32x4.splat(0x7fff));
  const shifted = i32x4.shl(magnitude, 13);
  const finite = f32x4.mul(shifted, f32x4.splat(reinterpret<f32>(0x77800000)));
  const special = i32x4.add(shifted, i32x4.splat(0x70000000));
  const isSpecial = i32x4.ge_s(magnitude, i32x4.splat(0x7c00));
  return v128.or(sign, v128.bitselect(special, finite, isSpecial));
}

/** Widens `count` f16 codes. */
export function unpackF16(src: usize, count: i32, dst: usize): void {
  let i = 0;
  for (; i + 8 <= count; i += 8) {
    const v = v128.load(src + (<usize>i << 1));
    const p = dst + (<usize>i << 2);
    v128.store(p, widenHalves(i32x4.extend_low_i16x8_u(v)));
    v128.store(p, widenHalves(i32x4.extend_high_i16x8_u(v)), 16);
  }
  for (; i < count; i++) store<f32>(dst + (<usize>i << 2), widenHalf(<u32>load<u16>(src + (<usize>i << 1))));
}
