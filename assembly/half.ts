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

/** Four finite codes, each sign-extended to a lane. */
// @ts-ignore: decorator
@inline
function widenHalves(codes: v128): v128 {
  const bits = v128.and(i32x4.shl(codes, 13), i32x4.splat(0x8fffe000));
  return f32x4.mul(bits, f32x4.splat(reinterpret<f32>(0x77800000)));
}

/** Widens `count` f16 codes, one by one. */
function unpackF16Singly(src: usize, count: i32, dst: usize): void {
  for (let i: usize = 0; i < <usize>count; i++) store<f32>(dst + (i << 2), widenHalf(<u32>load<u16>(src + (i << 1))));
}

/** Widens `count` f16 codes: eight at a time, but for eights that hold an infinity or a NaN. */
export function unpackF16(src: usize, count: i32, dst: usize): void {
  const exponent = i16x8.splat(0x7c00);
  for (; count >= 8; count -= 8) {
    const v = v128.load(src);
    if (v128.any_true(i16x8.eq(v128.and(v, exponent), exponent))) {
      unpackF16Singly(src, 8, dst);
    } else {
      v128.store(dst, widenHalves(i32x4.extend_low_i16x8_s(v)));
      v128.store(dst, widenHalves(i32x4.extend_high_i16x8_s(v)), 16);
    }
    src += 16;
    dst += 32;
  }
  unpackF16Singly(src, count, dst);
}
