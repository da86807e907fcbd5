// f16 and bf16 codes as f32.
import { widenHalf, widenHalves } from "../simd/widenHalf";

/** Converts `count` bf16 values to f32. */
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

/**
 * Arguments of `widenHalves`: a mask for sign and magnitude after a shift by 13, 2^112, 2^16, and an exponent of all
 * ones. They are loaded before a loop, since V8 would build constants again at each use.
 */
export const HALF_CONSTANTS: usize = memory.data<u32>([0x8fffe000, 0x77800000, 0x47800000, 0x7f800000]);

/** Converts `count` f16 values to f32. */
export function unpackF16(src: usize, count: i32, dst: usize): void {
  const mask = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  for (; count >= 8; count -= 8) {
    const v = v128.load(src);
    v128.store(dst, widenHalves(i32x4.extend_low_i16x8_s(v), mask, power, limit, exponent));
    v128.store(dst, widenHalves(i32x4.extend_high_i16x8_s(v), mask, power, limit, exponent), 16);
    src += 16;
    dst += 32;
  }
  for (let i: usize = 0; i < <usize>count; i++) store<f32>(dst + (i << 2), widenHalf(<u32>load<u16>(src + (i << 1))));
}
