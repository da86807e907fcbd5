// Products of vectors of small integer codes, shared by the kernels that are loaded on demand.
import { madd } from "../../simd/madd";
import { sumOf } from "../../simd/lanes";

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
