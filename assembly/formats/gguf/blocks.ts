// Helpers shared by GGUF's formats with blocks of 32 elements that begin with an f16 scale.
import { widenHalf } from "../../simd/widenHalf";
import { madd, sumOf } from "../../simd/lanes";

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

// Products of vectors of small integer codes, shared by the kernels that are loaded on demand.

/** Returns `sums`, four partial sums, plus the products of 16 signed bytes `q` and 16 floats at x. */
// @ts-ignore: decorator
@inline
export function addCodes(q: v128, x: usize, sums: v128): v128 {
  const low = i16x8.extend_low_i8x16_s(q);
  const high = i16x8.extend_high_i8x16_s(q);
  sums = madd(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), v128.load(x), sums);
  sums = madd(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), v128.load(x, 16), sums);
  sums = madd(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), v128.load(x, 32), sums);
  return madd(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), v128.load(x, 48), sums);
}

/** Writes the sum of each group of 32 consecutive floats of x, which has k floats. */
export function sumGroups(x: usize, k: i32, sums: usize): void {
  for (const end = x + (<usize>k << 2); x < end; x += 128) {
    let sum = f32x4.splat(0);
    for (let at: usize = 0; at < 128; at += 16) sum = f32x4.add(sum, v128.load(x + at));
    store<f32>(sums, sumOf(sum));
    sums += 4;
  }
}
