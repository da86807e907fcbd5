// Register tiles of integer products: four rows of codes times eight columns of a q4_1
// weight, or four of a q8_0 one.
import { madd } from "./madd";
import { dotBytes } from "./int8";

/** before + products * scales * scale + minima * sum, with scale and sum of a block of x. */
// @ts-ignore: decorator
@inline
export function withQ4(before: v128, products: v128, scales: v128, minima: v128, scale: v128, sum: v128): v128 {
  return madd(f32x4.convert_i32x4_s(products), f32x4.mul(scales, scale), madd(minima, sum, before));
}

/**
 * sums[4][8] += `blocks` blocks of a tile of codes times as many of a panel of packQ4; scales
 * and sums lie at `pairs`.
 */
export function q4Tile(x: usize, pairs: usize, panel: usize, blocks: i32, sums: usize): void {
  for (; blocks > 0; blocks--) {
    let c00 = i32x4.splat(0);
    let c01 = c00;
    let c10 = c00;
    let c11 = c00;
    let c20 = c00;
    let c21 = c00;
    let c30 = c00;
    let c31 = c00;
    const end = x + 128;
    do {
      const w0 = v128.load(panel);
      const w1 = v128.load(panel, 16);
      let codes = v128.load32_splat(x);
      c00 = dotBytes(codes, w0, c00);
      c01 = dotBytes(codes, w1, c01);
      codes = v128.load32_splat(x, 4);
      c10 = dotBytes(codes, w0, c10);
      c11 = dotBytes(codes, w1, c11);
      codes = v128.load32_splat(x, 8);
      c20 = dotBytes(codes, w0, c20);
      c21 = dotBytes(codes, w1, c21);
      codes = v128.load32_splat(x, 12);
      c30 = dotBytes(codes, w0, c30);
      c31 = dotBytes(codes, w1, c31);
      x += 16;
      panel += 32;
    } while (x < end);
    const d0 = v128.load(panel);
    const d1 = v128.load(panel, 16);
    const m0 = v128.load(panel, 32);
    const m1 = v128.load(panel, 48);
    let scale = v128.load32_splat(pairs);
    let sum = v128.load32_splat(pairs, 4);
    v128.store(sums, withQ4(v128.load(sums), c00, d0, m0, scale, sum));
    v128.store(sums, withQ4(v128.load(sums, 16), c01, d1, m1, scale, sum), 16);
    scale = v128.load32_splat(pairs, 8);
    sum = v128.load32_splat(pairs, 12);
    v128.store(sums, withQ4(v128.load(sums, 32), c10, d0, m0, scale, sum), 32);
    v128.store(sums, withQ4(v128.load(sums, 48), c11, d1, m1, scale, sum), 48);
    scale = v128.load32_splat(pairs, 16);
    sum = v128.load32_splat(pairs, 20);
    v128.store(sums, withQ4(v128.load(sums, 64), c20, d0, m0, scale, sum), 64);
    v128.store(sums, withQ4(v128.load(sums, 80), c21, d1, m1, scale, sum), 80);
    scale = v128.load32_splat(pairs, 24);
    sum = v128.load32_splat(pairs, 28);
    v128.store(sums, withQ4(v128.load(sums, 96), c30, d0, m0, scale, sum), 96);
    v128.store(sums, withQ4(v128.load(sums, 112), c31, d1, m1, scale, sum), 112);
    panel += 64;
    pairs += 32;
  }
}

/** before + products * scales * scale. */
// @ts-ignore: decorator
@inline
export function withQ8(before: v128, products: v128, scales: v128, scale: v128): v128 {
  return madd(f32x4.convert_i32x4_s(products), f32x4.mul(scales, scale), before);
}

/** low - 128 sign. */
// @ts-ignore: decorator
@inline
function joinPlanes(low: v128, sign: v128): v128 {
  return i32x4.sub(low, i32x4.shl(sign, 7));
}

/**
 * sums[4][8], of which the left half is used, as q4Tile for a panel of packQ8 and codes whose
 * signs lie `signs` bytes on.
 */
export function q8Tile(x: usize, pairs: usize, signs: usize, panel: usize, blocks: i32, sums: usize): void {
  for (; blocks > 0; blocks--) {
    let c0 = i32x4.splat(0);
    let s0 = c0;
    let c1 = c0;
    let s1 = c0;
    let c2 = c0;
    let s2 = c0;
    let c3 = c0;
    let s3 = c0;
    const end = x + 128;
    do {
      const w = v128.load(panel);
      const sign = x + signs;
      c0 = dotBytes(w, v128.load32_splat(x), c0);
      s0 = dotBytes(w, v128.load32_splat(sign), s0);
      c1 = dotBytes(w, v128.load32_splat(x, 4), c1);
      s1 = dotBytes(w, v128.load32_splat(sign, 4), s1);
      c2 = dotBytes(w, v128.load32_splat(x, 8), c2);
      s2 = dotBytes(w, v128.load32_splat(sign, 8), s2);
      c3 = dotBytes(w, v128.load32_splat(x, 12), c3);
      s3 = dotBytes(w, v128.load32_splat(sign, 12), s3);
      x += 16;
      panel += 16;
    } while (x < end);
    const d = v128.load(panel);
    v128.store(sums, withQ8(v128.load(sums), joinPlanes(c0, s0), d, v128.load32_splat(pairs)));
    v128.store(sums, withQ8(v128.load(sums, 32), joinPlanes(c1, s1), d, v128.load32_splat(pairs, 8)), 32);
    v128.store(sums, withQ8(v128.load(sums, 64), joinPlanes(c2, s2), d, v128.load32_splat(pairs, 16)), 64);
    v128.store(sums, withQ8(v128.load(sums, 96), joinPlanes(c3, s3), d, v128.load32_splat(pairs, 24)), 96);
    panel += 16;
    pairs += 32;
  }
}
