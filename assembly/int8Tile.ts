// Register tiles of integer products: four rows of codes times eight columns of a q4_1 weight, or four of a q8_0 one.
import { madd } from "./gemmTile";
import { dotBytes } from "./int8";
import { nibbleMask } from "./unpackFourBit";
import { halfAt, Q4_BYTES, Q8_BYTES } from "./unpackGguf";

/** Rows of a tile. */
export const INT8_ROWS: i32 = 4;
/** Columns of its panel. */
export const Q4_COLUMNS: i32 = 8;
export const Q8_COLUMNS: i32 = 4;

/** Bytes of a block of a panel: for each four of its 32 elements four bytes of each column; then scales, and minima. */
export const Q4_PANEL: usize = 320;
export const Q8_PANEL: usize = 144;

/** Writes four vectors so that dst, in steps of `step` bytes, takes their first lanes, then their second ones, and so on. */
// @ts-ignore: decorator
@inline
function storeTransposed(a: v128, b: v128, c: v128, d: v128, dst: usize, step: usize): void {
  const ab0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd0 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const cd1 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(dst, v128.shuffle<i64>(ab0, cd0, 0, 2));
  v128.store(dst + step, v128.shuffle<i64>(ab0, cd0, 1, 3));
  v128.store(dst + 2 * step, v128.shuffle<i64>(ab1, cd1, 0, 2));
  v128.store(dst + 3 * step, v128.shuffle<i64>(ab1, cd1, 1, 3));
}

/** Packs a block of `columns` (1 to 8) rows of a q4_1 weight, `wrs` bytes apart; rows that are not there count as 0. */
export function packQ4(w: usize, wrs: usize, columns: i32, dst: usize): void {
  const nibble = nibbleMask();
  const zero = i32x4.splat(0);
  for (let group = 0; group < 2; group++) {
    const at = dst + <usize>(group << 4);
    const scales = dst + 256 + <usize>(group << 4);
    const left = columns - 4 * group;
    const b0 = left > 0 ? v128.load(w, 4) : zero;
    const b1 = left > 1 ? v128.load(w + wrs, 4) : zero;
    const b2 = left > 2 ? v128.load(w + 2 * wrs, 4) : zero;
    const b3 = left > 3 ? v128.load(w + 3 * wrs, 4) : zero;
    storeTransposed(v128.and(b0, nibble), v128.and(b1, nibble), v128.and(b2, nibble), v128.and(b3, nibble), at, 32);
    storeTransposed(
      v128.and(i16x8.shr_u(b0, 4), nibble), v128.and(i16x8.shr_u(b1, 4), nibble),
      v128.and(i16x8.shr_u(b2, 4), nibble), v128.and(i16x8.shr_u(b3, 4), nibble), at + 128, 32,
    );
    for (let i = 0; i < 4; i++) {
      const row = w + <usize>i * wrs;
      const to = scales + <usize>(i << 2);
      store<f32>(to, i < left ? halfAt(row) : 0);
      store<f32>(to, i < left ? halfAt(row + 2) : 0, 32);
    }
    w += 4 * wrs;
  }
}

/** Packs a block of `columns` (1 to 4) rows of a q8_0 weight, as packQ4. */
export function packQ8(w: usize, wrs: usize, columns: i32, dst: usize): void {
  const zero = i32x4.splat(0);
  for (let half: usize = 0; half < 2; half++) {
    const at = w + 16 * half;
    const b0 = v128.load(at, 2);
    const b1 = columns > 1 ? v128.load(at + wrs, 2) : zero;
    const b2 = columns > 2 ? v128.load(at + 2 * wrs, 2) : zero;
    const b3 = columns > 3 ? v128.load(at + 3 * wrs, 2) : zero;
    storeTransposed(b0, b1, b2, b3, dst + 64 * half, 16);
  }
  for (let i = 0; i < 4; i++) store<f32>(dst + <usize>(i << 2), i < columns ? halfAt(w + <usize>i * wrs) : 0, 128);
}

/** sums at `to` += products * scales * scale + minima * sum, with scale and sum of a block of x at `pair`. */
// @ts-ignore: decorator
@inline
function addQ4(to: usize, products: v128, scales: v128, minima: v128, pair: usize): void {
  const shifted = madd(minima, v128.load32_splat(pair, 4), v128.load(to));
  v128.store(to, madd(f32x4.convert_i32x4_s(products), f32x4.mul(scales, v128.load32_splat(pair)), shifted));
}

/** sums[4][8] += four rows of codes, `xrs` bytes apart, times `blocks` blocks of a panel of packQ4; scales lie at `pairs`. */
export function q4Tile(x: usize, pairs: usize, xrs: usize, panel: usize, blocks: i32, sums: usize): void {
  const x1 = xrs;
  const x2 = 2 * xrs;
  const x3 = 3 * xrs;
  for (; blocks > 0; blocks--) {
    let c00 = i32x4.splat(0);
    let c01 = c00;
    let c10 = c00;
    let c11 = c00;
    let c20 = c00;
    let c21 = c00;
    let c30 = c00;
    let c31 = c00;
    const end = x + 32;
    do {
      const w0 = v128.load(panel);
      const w1 = v128.load(panel, 16);
      let codes = v128.load32_splat(x);
      c00 = dotBytes(codes, w0, c00);
      c01 = dotBytes(codes, w1, c01);
      codes = v128.load32_splat(x + x1);
      c10 = dotBytes(codes, w0, c10);
      c11 = dotBytes(codes, w1, c11);
      codes = v128.load32_splat(x + x2);
      c20 = dotBytes(codes, w0, c20);
      c21 = dotBytes(codes, w1, c21);
      codes = v128.load32_splat(x + x3);
      c30 = dotBytes(codes, w0, c30);
      c31 = dotBytes(codes, w1, c31);
      x += 4;
      panel += 32;
    } while (x < end);
    const d0 = v128.load(panel);
    const d1 = v128.load(panel, 16);
    const m0 = v128.load(panel, 32);
    const m1 = v128.load(panel, 48);
    addQ4(sums, c00, d0, m0, pairs);
    addQ4(sums + 16, c01, d1, m1, pairs);
    addQ4(sums + 32, c10, d0, m0, pairs + x1);
    addQ4(sums + 48, c11, d1, m1, pairs + x1);
    addQ4(sums + 64, c20, d0, m0, pairs + x2);
    addQ4(sums + 80, c21, d1, m1, pairs + x2);
    addQ4(sums + 96, c30, d0, m0, pairs + x3);
    addQ4(sums + 112, c31, d1, m1, pairs + x3);
    panel += 64;
    pairs += 8;
  }
}

/** sums at `to` += (low - 128 sign) * scales * the scale at `pair`. */
// @ts-ignore: decorator
@inline
function addQ8(to: usize, low: v128, sign: v128, scales: v128, pair: usize): void {
  const products = f32x4.convert_i32x4_s(i32x4.sub(low, i32x4.shl(sign, 7)));
  v128.store(to, madd(products, f32x4.mul(scales, v128.load32_splat(pair)), v128.load(to)));
}

/** sums[4][8], of which the left half is used, as q4Tile for a panel of packQ8 and codes whose signs lie `signs` bytes on. */
export function q8Tile(x: usize, pairs: usize, xrs: usize, signs: usize, panel: usize, blocks: i32, sums: usize): void {
  const x1 = xrs;
  const x2 = 2 * xrs;
  const x3 = 3 * xrs;
  for (; blocks > 0; blocks--) {
    let c0 = i32x4.splat(0);
    let s0 = c0;
    let c1 = c0;
    let s1 = c0;
    let c2 = c0;
    let s2 = c0;
    let c3 = c0;
    let s3 = c0;
    const end = x + 32;
    do {
      const w = v128.load(panel);
      const sign = x + signs;
      c0 = dotBytes(w, v128.load32_splat(x), c0);
      s0 = dotBytes(w, v128.load32_splat(sign), s0);
      c1 = dotBytes(w, v128.load32_splat(x + x1), c1);
      s1 = dotBytes(w, v128.load32_splat(sign + x1), s1);
      c2 = dotBytes(w, v128.load32_splat(x + x2), c2);
      s2 = dotBytes(w, v128.load32_splat(sign + x2), s2);
      c3 = dotBytes(w, v128.load32_splat(x + x3), c3);
      s3 = dotBytes(w, v128.load32_splat(sign + x3), s3);
      x += 4;
      panel += 16;
    } while (x < end);
    const d = v128.load(panel);
    addQ8(sums, c0, s0, d, pairs);
    addQ8(sums + 32, c1, s1, d, pairs + x1);
    addQ8(sums + 64, c2, s2, d, pairs + x2);
    addQ8(sums + 96, c3, s3, d, pairs + x3);
    panel += 16;
    pairs += 8;
  }
}
