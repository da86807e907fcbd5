// Register tiles of integer products: four rows of codes times eight columns of codes below 128,
// or four columns of signed bytes.
import { addBlock, addBytes, addFour, dotBytes, firstBytes, widened } from "./byteProducts";
import { Q4_PANEL } from "./panels";
import { onesOf } from "./tileSums";

/**
 * Computes a tile of a product in builds with relaxed SIMD. `inShort`, a constant in each call, is true to sum products
 * in 16 bits first, false to sum them in 32 bits.
 */
// @ts-ignore: decorator
@inline
function relaxedTile(inShort: bool, x: usize, pairs: usize, panel: usize, blocks: i32, sums: usize): void {
  const ones = onesOf(sums);
  for (; blocks > 0; blocks--) {
    const last = x + 112;
    let w0 = v128.load(panel);
    let w1 = v128.load(panel, 16);
    let codes = v128.load32_splat(x);
    let c00 = firstBytes(inShort, codes, w0);
    let c01 = firstBytes(inShort, codes, w1);
    codes = v128.load32_splat(x, 4);
    let c10 = firstBytes(inShort, codes, w0);
    let c11 = firstBytes(inShort, codes, w1);
    codes = v128.load32_splat(x, 8);
    let c20 = firstBytes(inShort, codes, w0);
    let c21 = firstBytes(inShort, codes, w1);
    codes = v128.load32_splat(x, 12);
    let c30 = firstBytes(inShort, codes, w0);
    let c31 = firstBytes(inShort, codes, w1);
    do {
      x += 16;
      panel += 32;
      w0 = v128.load(panel);
      w1 = v128.load(panel, 16);
      codes = v128.load32_splat(x);
      c00 = addBytes(inShort, codes, w0, c00);
      c01 = addBytes(inShort, codes, w1, c01);
      codes = v128.load32_splat(x, 4);
      c10 = addBytes(inShort, codes, w0, c10);
      c11 = addBytes(inShort, codes, w1, c11);
      codes = v128.load32_splat(x, 8);
      c20 = addBytes(inShort, codes, w0, c20);
      c21 = addBytes(inShort, codes, w1, c21);
      codes = v128.load32_splat(x, 12);
      c30 = addBytes(inShort, codes, w0, c30);
      c31 = addBytes(inShort, codes, w1, c31);
    } while (x < last);
    x += 16;
    panel += 32;
    const s0 = v128.load(panel);
    const s1 = v128.load(panel, 16);
    const m0 = v128.load(panel, 32);
    const m1 = v128.load(panel, 48);
    addBlock(sums, widened(inShort, c00, ones), widened(inShort, c01, ones), s0, s1, m0, m1, pairs);
    addBlock(sums + 32, widened(inShort, c10, ones), widened(inShort, c11, ones), s0, s1, m0, m1, pairs + 8);
    addBlock(sums + 64, widened(inShort, c20, ones), widened(inShort, c21, ones), s0, s1, m0, m1, pairs + 16);
    addBlock(sums + 96, widened(inShort, c30, ones), widened(inShort, c31, ones), s0, s1, m0, m1, pairs + 24);
    panel += 64;
    pairs += 32;
  }
}

function dotTile(x: usize, pairs: usize, panel: usize, blocks: i32, sums: usize): void {
  relaxedTile(false, x, pairs, panel, blocks, sums);
}

function shortTile(x: usize, pairs: usize, panel: usize, blocks: i32, sums: usize): void {
  relaxedTile(true, x, pairs, panel, blocks, sums);
}

/**
 * Returns the sums of four columns, each the sum of two lanes. `low` holds the lanes of the first two columns, `high`
 * the lanes of the others.
 */
// @ts-ignore: decorator
@inline
function joinHalves(low: v128, high: v128): v128 {
  return i32x4.add(v128.shuffle<i32>(low, high, 0, 2, 4, 6), v128.shuffle<i32>(low, high, 1, 3, 5, 7));
}

/** Computes a tile of a product in builds without relaxed SIMD: widens bytes to 16 bits, for four columns at a time. */
function plainTile(x: usize, pairs: usize, panel: usize, blocks: i32, sums: usize): void {
  for (; blocks > 0; blocks--) {
    for (let half: usize = 0; half < 32; half += 16) {
      let l0 = i32x4.splat(0);
      let h0 = l0;
      let l1 = l0;
      let h1 = l0;
      let l2 = l0;
      let h2 = l0;
      let l3 = l0;
      let h3 = l0;
      let at = x;
      let w = panel + half;
      const end = x + 128;
      do {
        const low = v128.load8x8_s(w);
        const high = v128.load8x8_s(w, 8);
        let codes = i16x8.extend_low_i8x16_s(v128.load32_splat(at));
        l0 = i32x4.add(l0, i32x4.dot_i16x8_s(codes, low));
        h0 = i32x4.add(h0, i32x4.dot_i16x8_s(codes, high));
        codes = i16x8.extend_low_i8x16_s(v128.load32_splat(at, 4));
        l1 = i32x4.add(l1, i32x4.dot_i16x8_s(codes, low));
        h1 = i32x4.add(h1, i32x4.dot_i16x8_s(codes, high));
        codes = i16x8.extend_low_i8x16_s(v128.load32_splat(at, 8));
        l2 = i32x4.add(l2, i32x4.dot_i16x8_s(codes, low));
        h2 = i32x4.add(h2, i32x4.dot_i16x8_s(codes, high));
        codes = i16x8.extend_low_i8x16_s(v128.load32_splat(at, 12));
        l3 = i32x4.add(l3, i32x4.dot_i16x8_s(codes, low));
        h3 = i32x4.add(h3, i32x4.dot_i16x8_s(codes, high));
        at += 16;
        w += 32;
      } while (at < end);
      const factors = panel + 256 + half;
      const to = sums + half;
      addFour(to, joinHalves(l0, h0), factors, pairs);
      addFour(to + 32, joinHalves(l1, h1), factors, pairs + 8);
      addFour(to + 64, joinHalves(l2, h2), factors, pairs + 16);
      addFour(to + 96, joinHalves(l3, h3), factors, pairs + 24);
    }
    x += 128;
    panel += Q4_PANEL;
    pairs += 32;
  }
}

/** Returns 1 if this build has an instruction for dot products of bytes (relaxed SIMD), otherwise 0. */
export function hasByteProducts(): i32 {
  return ASC_FEATURE_RELAXED_SIMD ? 1 : 0;
}

/**
 * Computes sums[4][8] += X Wᵀ for `blocks` blocks of 32 elements. X is a tile of four rows of signed bytes at x, and W
 * a panel of eight columns of codes below 128. The scales and scaled sums of x are at `pairs`. If `inShort` is true,
 * products are first summed in 16 bits. The codes of W must then be below 16, and `putOnes` must have been called.
 */
export function int8Tile(inShort: bool, x: usize, pairs: usize, panel: usize, blocks: i32, sums: usize): void {
  if (!ASC_FEATURE_RELAXED_SIMD) plainTile(x, pairs, panel, blocks, sums);
  else if (inShort) shortTile(x, pairs, panel, blocks, sums);
  else dotTile(x, pairs, panel, blocks, sums);
}

/**
 * Returns the sums of columns after a block, before + products * scales * scale, where `products` are the block's
 * integer products.
 */
// @ts-ignore: decorator
@inline
export function withQ8(before: v128, products: v128, scales: v128, scale: v128): v128 {
  return f32x4.add(before, f32x4.mul(f32x4.convert_i32x4_s(products), f32x4.mul(scales, scale)));
}

/** Returns low - 128 sign, where `low` and `sign` are the sums computed from the two planes of 8-bit codes. */
// @ts-ignore: decorator
@inline
function joinPlanes(low: v128, sign: v128): v128 {
  return i32x4.sub(low, i32x4.shl(sign, 7));
}

/**
 * Computes the left four columns of sums[4][8] += X Wᵀ for 8-bit weights, in a panel of `packQ8_0`. Rows of X have two
 * planes: the sign bits are `signs` bytes after the lower seven bits. The scales and scaled sums of X are at `pairs`.
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
