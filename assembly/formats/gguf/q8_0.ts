// GGUF's q8_0: an f16 scale, then 32 signed bytes.
import { BLOCK, ggufBlock, halfAt, widenSigned } from "./blocks";
import { dotBytes, laneSums } from "../../integer/tiles/byteProducts";
import { Q8_0_BYTES } from "../dtypes.gen";
import { HALF_CONSTANTS } from "../half";
import { Q8_PANEL } from "../../integer/tiles/panels";
import { withQ8 } from "../../integer/tiles/int8Tile";
import { heads, storeTransposed, sumOf, put, madd } from "../../simd/lanes";
import { rowGroups, rowInTurn, rowOfGroup, storeGroup } from "../../simd/rowOrder";
import { lowHalves, widenHalves } from "../../simd/widenHalf";

/** Converts `count` elements of a q8_0 weight to f32, from element `start` on. */
export function unpackQ8_0(base: usize, start: i32, count: i32, dst: usize): void {
  const end = start + count;
  for (let i = start; i < end; ) {
    const block = ggufBlock(base, i, Q8_0_BYTES);
    const d = halfAt(block);
    const within = i & (BLOCK - 1);
    if (within == 0 && end - i >= BLOCK) {
      widenSigned(v128.load(block, 2), f32x4.splat(d), dst);
      widenSigned(v128.load(block, 18), f32x4.splat(d), dst + 64);
      dst += 128;
      i += BLOCK;
    } else {
      store<f32>(dst, d * <f32>load<i8>(block + <usize>within, 2));
      dst += 4;
      i++;
    }
  }
}

/** Returns `sums`, four partial sums, plus the products of eight 16-bit integers and the eight floats at x. */
// @ts-ignore: decorator
@inline
function addProducts(q: v128, x: usize, sums: v128): v128 {
  const low = madd(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(q)), v128.load(x), sums);
  return madd(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(q)), v128.load(x, 16), low);
}

/**
 * Computes c[n] = alpha * W x (or += if `add` is true) for n rows of a q8_0 weight, of k elements each, from the
 * address `first` on.
 */
export function q8_0Rows(x: usize, first: usize, c: usize, n: i32, k: i32, alpha: f32, add: bool): void {
  const mask = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  const rowBytes = <usize>(k >> 5) * Q8_0_BYTES;
  for (let i = 0; i < n; i++) {
    const row = <usize>rowInTurn(i, n);
    let w = first + row * rowBytes;
    let total = f32x4.splat(0);
    let xi = x;
    for (let blocks = k >> 5; blocks > 0; blocks--) {
      const zero = f32x4.splat(0);
      const s0 = addProducts(v128.load8x8_s(w, 2), xi, zero);
      const s1 = addProducts(v128.load8x8_s(w, 10), xi + 32, zero);
      const s2 = addProducts(v128.load8x8_s(w, 18), xi + 64, s0);
      const s3 = addProducts(v128.load8x8_s(w, 26), xi + 96, s1);
      total = madd(f32x4.add(s2, s3), widenHalves(i32x4.extend_low_i16x8_s(v128.load16_splat(w)), mask, power, limit, exponent), total);
      w += Q8_0_BYTES;
      xi += 128;
    }
    put(c + (row << 2), sumOf(total), alpha, add);
  }
}

/**
 * Returns the dot product of a block (32 signed bytes at w) and 32 int8 codes at x. A code is stored in two planes: its
 * low seven bits at x, and its sign bit at `signs`.
 */
// @ts-ignore: decorator
@inline
function q8Product(x: usize, signs: usize, w: usize): v128 {
  const a = v128.load(w);
  const b = v128.load(w, 16);
  const low = dotBytes(b, v128.load(x, 16), dotBytes(a, v128.load(x), i32x4.splat(0)));
  const sign = dotBytes(b, v128.load(signs, 16), dotBytes(a, v128.load(signs), i32x4.splat(0)));
  return i32x4.sub(low, i32x4.shl(sign, 7));
}

/**
 * Computes c[n]: the dot product of each of n rows of a q8_0 weight with x, a row from `quantizeInt8` with `planes` 2.
 * Two planes hold the low seven bits and the sign bits of x's codes. The weight rows start at the address `first`; a
 * row has k elements. Terms are added in the order of `q8Tile`, so that both functions give the same bits.
 */
export function q8_0Int8Rows(x: usize, first: usize, c: usize, n: i32, k: i32): void {
  const mask = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  const rowBytes = <usize>(k >> 5) * Q8_0_BYTES;
  for (let g = 0; g < rowGroups(n); g++) {
    let r0 = first + rowOfGroup(g, 0, n) * rowBytes;
    let r1 = first + rowOfGroup(g, 1, n) * rowBytes;
    let r2 = first + rowOfGroup(g, 2, n) * rowBytes;
    let r3 = first + rowOfGroup(g, 3, n) * rowBytes;
    let sums = f32x4.splat(0);
    let xi = x;
    let pair = x + <usize>(2 * k);
    for (let blocks = k >> 5; blocks > 0; blocks--) {
      const signs = xi + <usize>k;
      const p0 = q8Product(xi, signs, r0 + 2);
      const p1 = q8Product(xi, signs, r1 + 2);
      const p2 = q8Product(xi, signs, r2 + 2);
      const p3 = q8Product(xi, signs, r3 + 2);
      const scales = lowHalves(heads(r0, r1, r2, r3), mask, power, limit, exponent);
      sums = withQ8(sums, laneSums(p0, p1, p2, p3), scales, v128.load32_splat(pair));
      r0 += Q8_0_BYTES;
      r1 += Q8_0_BYTES;
      r2 += Q8_0_BYTES;
      r3 += Q8_0_BYTES;
      xi += 32;
      pair += 8;
    }
    storeGroup(c, g, n, sums);
  }
}

/**
 * Packs the first `blocks` blocks of `columns` (1 to 4) rows of a q8_0 weight as a panel of four columns, one per row.
 * Rows are `wrs` bytes apart. Missing rows repeat the last one.
 */
export function packQ8_0(w: usize, wrs: usize, columns: i32, blocks: i32, dst: usize): void {
  const mask = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  const last = columns - 1;
  let r1 = w + <usize>min(1, last) * wrs;
  let r2 = w + <usize>min(2, last) * wrs;
  let r3 = w + <usize>min(3, last) * wrs;
  for (; blocks > 0; blocks--) {
    storeTransposed(v128.load(w, 2), v128.load(r1, 2), v128.load(r2, 2), v128.load(r3, 2), dst, 16);
    storeTransposed(v128.load(w, 18), v128.load(r1, 18), v128.load(r2, 18), v128.load(r3, 18), dst + 64, 16);
    v128.store(dst, lowHalves(heads(w, r1, r2, r3), mask, power, limit, exponent), 128);
    w += Q8_0_BYTES;
    r1 += Q8_0_BYTES;
    r2 += Q8_0_BYTES;
    r3 += Q8_0_BYTES;
    dst += Q8_PANEL;
  }
}
