// C[m,n] (+)= alpha * X[m,k] * W[n,k]ᵀ as dot products along k: for few rows of X, W is read once and in order.
import { madd } from "../simd/lanes";

/**
 * Size of W in bytes from which W is assumed to be outside the cache. Reading it row by row is then twice as fast as
 * reading four rows at once.
 */
const COLD_BYTES: i64 = 2 << 20;

/** Threads divide the rows of W at multiples of this. */
export const DOT_ROWS: i32 = 4;

/** Loads the first `count` (0 to 3) floats at `p`, and zeros in the other lanes. */
// @ts-ignore: decorator
@inline
function loadHead(p: usize, count: i32): v128 {
  if (count == 0) return f32x4.splat(0);
  if (count == 1) return v128.load32_zero(p);
  const pair = v128.load64_zero(p);
  return count == 2 ? pair : v128.load32_lane(p, pair, 2, 8);
}

// @ts-ignore: decorator
@inline
function put(c: usize, sums: v128, alpha: f32, accumulate: bool): void {
  const pairs = f32x4.add(sums, v128.shuffle<f32>(sums, sums, 2, 3, 0, 1));
  const sum = alpha * (f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1));
  store<f32>(c, accumulate ? load<f32>(c) + sum : sum);
}

/** Computes the dot product of one row of W and one row of X. */
function dot1x1(w: usize, x: usize, c: usize, k: i32, alpha: f32, accumulate: bool): void {
  const head = k & 3;
  let s0 = f32x4.mul(loadHead(w, head), loadHead(x, head));
  let s1 = f32x4.splat(0);
  let s2 = s1;
  let s3 = s1;
  w += <usize>head << 2;
  x += <usize>head << 2;
  let p = k >> 2;
  for (; p >= 4; p -= 4) {
    s0 = madd(v128.load(w), v128.load(x), s0);
    s1 = madd(v128.load(w, 16), v128.load(x, 16), s1);
    s2 = madd(v128.load(w, 32), v128.load(x, 32), s2);
    s3 = madd(v128.load(w, 48), v128.load(x, 48), s3);
    w += 64;
    x += 64;
  }
  for (; p > 0; p--) {
    s0 = madd(v128.load(w), v128.load(x), s0);
    w += 16;
    x += 16;
  }
  put(c, f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)), alpha, accumulate);
}

/**
 * Computes the dot products of one row of W and two rows of X, which are `xrs` bytes apart. The results are `crs` bytes
 * apart.
 */
function dot1x2(w: usize, x: usize, xrs: usize, c: usize, crs: usize, k: i32, alpha: f32, accumulate: bool): void {
  const head = k & 3;
  let y = x + xrs;
  let v = loadHead(w, head);
  let s0 = f32x4.mul(v, loadHead(x, head));
  let s1 = f32x4.mul(v, loadHead(y, head));
  let t0 = f32x4.splat(0);
  let t1 = t0;
  w += <usize>head << 2;
  x += <usize>head << 2;
  y += <usize>head << 2;
  let p = k >> 2;
  if (p & 1) {
    v = v128.load(w);
    t0 = f32x4.mul(v, v128.load(x));
    t1 = f32x4.mul(v, v128.load(y));
    w += 16;
    x += 16;
    y += 16;
  }
  for (p >>= 1; p > 0; p--) {
    v = v128.load(w);
    s0 = madd(v, v128.load(x), s0);
    s1 = madd(v, v128.load(y), s1);
    v = v128.load(w, 16);
    t0 = madd(v, v128.load(x, 16), t0);
    t1 = madd(v, v128.load(y, 16), t1);
    w += 32;
    x += 32;
    y += 32;
  }
  put(c, f32x4.add(s0, t0), alpha, accumulate);
  put(c + crs, f32x4.add(s1, t1), alpha, accumulate);
}

/** Computes the dot products of four rows of W and two rows of X. */
function dot4x2(
  w: usize, wrs: usize, x: usize, xrs: usize, c: usize, crs: usize, ccs: usize, k: i32, alpha: f32, accumulate: bool,
): void {
  const head = k & 3;
  let w1 = w + wrs;
  let w2 = w1 + wrs;
  let w3 = w2 + wrs;
  let x1 = x + xrs;
  let u0 = loadHead(x, head);
  let u1 = loadHead(x1, head);
  let v = loadHead(w, head);
  let s00 = f32x4.mul(v, u0);
  let s01 = f32x4.mul(v, u1);
  v = loadHead(w1, head);
  let s10 = f32x4.mul(v, u0);
  let s11 = f32x4.mul(v, u1);
  v = loadHead(w2, head);
  let s20 = f32x4.mul(v, u0);
  let s21 = f32x4.mul(v, u1);
  v = loadHead(w3, head);
  let s30 = f32x4.mul(v, u0);
  let s31 = f32x4.mul(v, u1);
  const skip = <usize>head << 2;
  x += skip;
  x1 += skip;
  w += skip;
  w1 += skip;
  w2 += skip;
  w3 += skip;
  for (let p = k >> 2; p > 0; p--) {
    u0 = v128.load(x);
    u1 = v128.load(x1);
    v = v128.load(w);
    s00 = madd(v, u0, s00);
    s01 = madd(v, u1, s01);
    v = v128.load(w1);
    s10 = madd(v, u0, s10);
    s11 = madd(v, u1, s11);
    v = v128.load(w2);
    s20 = madd(v, u0, s20);
    s21 = madd(v, u1, s21);
    v = v128.load(w3);
    s30 = madd(v, u0, s30);
    s31 = madd(v, u1, s31);
    x += 16;
    x1 += 16;
    w += 16;
    w1 += 16;
    w2 += 16;
    w3 += 16;
  }
  put(c, s00, alpha, accumulate);
  put(c + ccs, s10, alpha, accumulate);
  put(c + 2 * ccs, s20, alpha, accumulate);
  put(c + 3 * ccs, s30, alpha, accumulate);
  c += crs;
  put(c, s01, alpha, accumulate);
  put(c + ccs, s11, alpha, accumulate);
  put(c + 2 * ccs, s21, alpha, accumulate);
  put(c + 3 * ccs, s31, alpha, accumulate);
}

/**
 * Computes the columns first..last-1 of C[m,n] = alpha * X * Wᵀ, or C += ... if `accumulate` is true, by dot products.
 * Rows of X and W are contiguous; C can have any strides. All strides are in bytes.
 */
export function gemmDot(
  x: usize, xrs: usize, w: usize, wrs: usize, c: usize, crs: usize, ccs: usize,
  m: i32, n: i32, k: i32, alpha: f32, accumulate: bool, first: i32, last: i32,
): void {
  const abreast: usize = m > 2 || (m == 2 && <i64>n * <i64>wrs < COLD_BYTES) ? DOT_ROWS : 1;
  w += <usize>first * wrs;
  c += <usize>first * ccs;
  n = last - first;
  while (n > 0) {
    const rows = <usize>n >= abreast ? abreast : 1;
    let xi = x;
    let ci = c;
    for (let i = m >> 1; i > 0; i--) {
      if (rows == DOT_ROWS) dot4x2(w, wrs, xi, xrs, ci, crs, ccs, k, alpha, accumulate);
      else dot1x2(w, xi, xrs, ci, crs, k, alpha, accumulate);
      xi += 2 * xrs;
      ci += 2 * crs;
    }
    if (m & 1) for (let q: usize = 0; q < rows; q++) dot1x1(w + q * wrs, xi, ci + q * ccs, k, alpha, accumulate);
    w += rows * wrs;
    c += rows * ccs;
    n -= <i32>rows;
  }
}
