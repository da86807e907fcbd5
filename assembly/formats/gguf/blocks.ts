// Helpers shared by GGUF's formats with blocks of 32 elements that begin with an f16 scale.
import { widenHalf } from "../../simd/widenHalf";

export const BLOCK: i32 = 32;

/** Returns the address of the block that holds element i. */
// @ts-ignore: decorator
@inline
export function ggufBlock(base: usize, i: i32, bytes: usize): usize {
  return base + <usize>(i >> 5) * bytes;
}

/** Loads the f16 at address p as f32. */
// @ts-ignore: decorator
@inline
export function halfAt(p: usize): f32 {
  return widenHalf(<u32>load<u16>(p));
}

/** Writes d q + m for 16 unsigned bytes q as f32. The product is exact. */
// @ts-ignore: decorator
@inline
export function widenUnsigned(q: v128, d: v128, m: v128, dst: usize): void {
  const low = i16x8.extend_low_i8x16_u(q);
  const high = i16x8.extend_high_i8x16_u(q);
  v128.store(dst, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low)), d), m));
  v128.store(dst, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low)), d), m), 16);
  v128.store(dst, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high)), d), m), 32);
  v128.store(dst, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high)), d), m), 48);
}

/** Writes d q for 16 signed bytes q as f32. */
// @ts-ignore: decorator
@inline
export function widenSigned(q: v128, d: v128, dst: usize): void {
  const low = i16x8.extend_low_i8x16_s(q);
  const high = i16x8.extend_high_i8x16_s(q);
  v128.store(dst, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), d));
  v128.store(dst, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), d), 16);
  v128.store(dst, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), d), 32);
  v128.store(dst, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), d), 48);
}
