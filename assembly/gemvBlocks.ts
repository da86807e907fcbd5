// One row of X times the rows of a q4_1, q8_0 or bf16 weight, read as it lies.
import { madd } from "./gemmTile";
import { sumOf } from "./lanes";
import { halfAt } from "./unpackGguf";

// @ts-ignore: decorator
@inline
function put(c: usize, sum: f32, alpha: f32, add: bool): void {
  store<f32>(c, add ? load<f32>(c) + alpha * sum : alpha * sum);
}

/** sums + the products of eight 16-bit integers and eight floats at x. */
// @ts-ignore: decorator
@inline
function addProducts(q: v128, x: usize, sums: v128): v128 {
  const low = madd(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(q)), v128.load(x), sums);
  return madd(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(q)), v128.load(x, 16), low);
}

/** c[n] (+)= alpha * the n rows of q8_0 blocks at w, of k floats each, times x. */
export function q8Rows(x: usize, w: usize, c: usize, n: i32, k: i32, alpha: f32, add: bool): void {
  for (; n > 0; n--) {
    let total = f32x4.splat(0);
    let xi = x;
    for (let blocks = k >> 5; blocks > 0; blocks--) {
      const zero = f32x4.splat(0);
      const s0 = addProducts(v128.load8x8_s(w, 2), xi, zero);
      const s1 = addProducts(v128.load8x8_s(w, 10), xi + 32, zero);
      const s2 = addProducts(v128.load8x8_s(w, 18), xi + 64, s0);
      const s3 = addProducts(v128.load8x8_s(w, 26), xi + 96, s1);
      total = madd(f32x4.add(s2, s3), f32x4.splat(halfAt(w)), total);
      w += 34;
      xi += 128;
    }
    put(c, sumOf(total), alpha, add);
    c += 4;
  }
}

/** Writes the sum of each 32 of the k floats at x. */
function blockSums(x: usize, k: i32, dst: usize): void {
  for (const end = x + (<usize>k << 2); x < end; x += 128) {
    let sum = v128.load(x);
    for (let at: usize = 16; at < 128; at += 16) sum = f32x4.add(sum, v128.load(x + at));
    store<f32>(dst, sumOf(sum));
    dst += 4;
  }
}

/** As q8Rows for q4_1 blocks, whose minimum multiplies the sum of a block of x; `sums` is room for those. */
export function q4Rows(x: usize, w: usize, c: usize, n: i32, k: i32, alpha: f32, add: bool, sums: usize): void {
  blockSums(x, k, sums);
  const nibble = i8x16.splat(15);
  for (; n > 0; n--) {
    let total = f32x4.splat(0);
    let base: f32 = 0;
    let xi = x;
    let si = sums;
    for (let blocks = k >> 5; blocks > 0; blocks--) {
      const zero = f32x4.splat(0);
      const bytes = v128.load(w, 4);
      const low = v128.and(bytes, nibble);
      const high = v128.and(i16x8.shr_u(bytes, 4), nibble);
      const s0 = addProducts(i16x8.extend_low_i8x16_u(low), xi, zero);
      const s1 = addProducts(i16x8.extend_high_i8x16_u(low), xi + 32, zero);
      const s2 = addProducts(i16x8.extend_low_i8x16_u(high), xi + 64, s0);
      const s3 = addProducts(i16x8.extend_high_i8x16_u(high), xi + 96, s1);
      total = madd(f32x4.add(s2, s3), f32x4.splat(halfAt(w)), total);
      base += halfAt(w + 2) * load<f32>(si);
      w += 20;
      xi += 128;
      si += 4;
    }
    put(c, sumOf(total) + base, alpha, add);
    c += 4;
  }
}

/** As q8Rows for bf16, k a multiple of 8. */
export function bf16Rows(x: usize, w: usize, c: usize, n: i32, k: i32, alpha: f32, add: bool): void {
  for (; n > 0; n--) {
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let xi = x;
    for (const end = x + (<usize>k << 2); xi < end; xi += 32) {
      const v = v128.load(w);
      s0 = madd(i32x4.shl(i32x4.extend_low_i16x8_u(v), 16), v128.load(xi), s0);
      s1 = madd(i32x4.shl(i32x4.extend_high_i16x8_u(v), 16), v128.load(xi, 16), s1);
      w += 16;
    }
    put(c, sumOf(f32x4.add(s0, s1)), alpha, add);
    c += 4;
  }
}
