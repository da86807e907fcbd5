// C[m,n] (+)= alpha * X[m,k] * W[n,k]ᵀ for few rows of X and a weight that is not f32: most of the time of decoding.
import { BF16, F16, FP4, NF4 } from "../formats/dtypes.gen";
import { blockRows, unpackRow } from "../formats/dispatch/formats";
import { DOT_ROWS, gemmDot } from "./gemmDot";
import { madd, sumOf, zipHigh, zipLow } from "../simd/lanes";
import { bf16Rows, f16Rows } from "../formats/half";
import { SPLIT_MOST } from "../formats/gguf/nibbles";
import { rowInTurn } from "../simd/rowOrder";
import { bytePlane, codesFrom, fourBitScales, fourBitValues, lookup, nibbleMask } from "../formats/unpackFourBit";

/** Number of floats of W that are converted at a time: a small part of the L1 cache. */
const CHUNK: i32 = 1024;

/**
 * Computes the columns first..last-1 of C = alpha * X Wᵀ, or C += ... if `accumulate` is 1. The weight has the dtype
 * `format`, and its row 0 starts at element `start`. Rows of X are contiguous; rows of C are `crs` bytes apart.
 * `scratch` has `scratchBytes()` bytes. Computing C in parts that start at multiples of DOT_ROWS gives the same bits as
 * computing it at once.
 */
export function gemvPacked(
  x: usize, w: usize, format: i32, start: i32, c: usize, crs: usize, m: i32, k: i32, alpha: f32, accumulate: i32,
  first: i32, last: i32, scratch: usize,
): void {
  const add = accumulate != 0;
  const xrs = <usize>k << 2;
  c += <usize>first << 2;
  start += first * k;
  const n = last - first;
  if (m == 1 && blockRows(format, x, w, start, c, n, k, alpha, add, scratch)) return;
  if (m == 1 && format == BF16 && (k & 7) == 0) {
    bf16Rows(x, w + (<usize>start << 1), c, n, k, alpha, add);
  } else if (m == 1 && format == F16 && (k & 7) == 0) {
    f16Rows(x, w + (<usize>start << 1), c, n, k, alpha, add);
  } else if (m <= 2 && k <= SPLIT_MOST && (format == NF4 || format == FP4) && ((start | k) & (load<i32>(w) - 1)) == 0) {
    const scales = scratch + (<usize>SPLIT_MOST << 3);
    split(x, k, scratch);
    if (m == 2) split(x + xrs, k, scratch + xrs);
    if (m == 2) fourBitRows(2, scratch, xrs, w, format == FP4, start, c, crs, n, k, alpha, add, scales);
    else fourBitRows(1, scratch, xrs, w, format == FP4, start, c, crs, n, k, alpha, add, scales);
  } else {
    widened(x, xrs, w, format, start, c, crs, m, n, k, alpha, add, scratch);
  }
}

/**
 * Computes the product of `gemvPacked` by converting pieces of a few rows of W to f32 at a time. It works for every
 * dtype.
 */
function widened(
  x: usize, xrs: usize, w: usize, format: i32, start: i32, c: usize, crs: usize, m: i32, n: i32, k: i32, alpha: f32, add: bool,
  scratch: usize,
): void {
  const abreast = m > 1 ? DOT_ROWS : 1;
  for (; n > 0; n -= abreast) {
    const rows = min(n, abreast);
    for (let from = 0; from < k; from += CHUNK / abreast) {
      const count = min(CHUNK / abreast, k - from);
      const wrs = <usize>count << 2;
      for (let i = 0; i < rows; i++) unpackRow(format, w, start + i * k + from, count, scratch + <usize>i * wrs);
      gemmDot(x + (<usize>from << 2), xrs, scratch, wrs, c, crs, 4, m, rows, count, alpha, add || from > 0, 0, rows);
    }
    start += rows * k;
    c += <usize>rows << 2;
  }
}

/**
 * Copies k floats (a multiple of 32). In each group of 32, the even-numbered elements come first: this is the order in
 * which `fourBitRows` looks up the codes.
 */
function split(x: usize, k: i32, dst: usize): void {
  for (let end = x + (<usize>k << 2); x < end; x += 128) {
    for (let at: usize = 0; at < 64; at += 16) {
      const a = v128.load(x + 2 * at);
      const b = v128.load(x + 2 * at, 16);
      v128.store(dst + at, v128.shuffle<f32>(a, b, 0, 2, 4, 6));
      v128.store(dst + at, v128.shuffle<f32>(a, b, 1, 3, 5, 7), 64);
    }
    dst += 128;
  }
}

/**
 * Returns four floats, joined from their low 16 bits in a and their high 16 bits in b. `joinLow` joins the first four
 * of eight floats, `joinHigh` the last four.
 */
// @ts-ignore: decorator
@inline
function joinLow(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

// @ts-ignore: decorator
@inline
function joinHigh(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

// @ts-ignore: decorator
@inline
function put(c: usize, sums: v128, alpha: f32, add: bool): void {
  const sum = alpha * sumOf(sums);
  store<f32>(c, add ? load<f32>(c) + sum : sum);
}

/**
 * Multiplies n rows of an nf4 or fp4 weight by one or two `rows` of X. Weight rows consist of whole blocks. The
 * elements of X are in the order of `split`. The sum of a block's products is multiplied by the block's scale. `scales`
 * is scratch for a row's scales.
 */
// @ts-ignore: decorator
@inline
function fourBitRows(
  rows: i32, x: usize, xrs: usize, w: usize, isFp4: bool, start: i32, c: usize, crs: usize, n: i32, k: i32, alpha: f32, add: bool,
  scales: usize,
): void {
  const values = fourBitValues(isFp4);
  const p0 = bytePlane(values, 0);
  const p1 = bytePlane(values, 1);
  const p2 = bytePlane(values, 2);
  const p3 = bytePlane(values, 3);
  const nibble = nibbleMask();
  const zero = f32x4.splat(0);
  const blockBytes = load<u32>(w) >> 1;
  const blocks = k / load<i32>(w);
  for (let i = 0; i < n; i++) {
    const row = rowInTurn(i, n);
    let at = codesFrom(w, start + row * k);
    const rowEnd = at + (<usize>k >> 1);
    let x0 = x;
    let x1 = x + xrs;
    let total0 = zero;
    let total1 = zero;
    fourBitScales(w, (start + row * k) / load<i32>(w), blocks, scales);
    let scale = scales;
    while (at < rowEnd) {
      const end = at + <usize>blockBytes;
      let s0 = zero;
      let s1 = zero;
      let s2 = zero;
      let s3 = zero;
      let t0 = zero;
      let t1 = zero;
      do {
        const bytes = v128.load(at);
        let codes = v128.and(i16x8.shr_u(bytes, 4), nibble);
        let b0 = lookup(p0, codes);
        let b1 = lookup(p1, codes);
        let b2 = lookup(p2, codes);
        let b3 = lookup(p3, codes);
        let low01 = zipLow(b0, b1);
        let low23 = zipLow(b2, b3);
        let high01 = zipHigh(b0, b1);
        let high23 = zipHigh(b2, b3);
        let v = joinLow(low01, low23);
        s0 = madd(v, v128.load(x0), s0);
        if (rows == 2) t0 = madd(v, v128.load(x1), t0);
        v = joinHigh(low01, low23);
        s1 = madd(v, v128.load(x0, 16), s1);
        if (rows == 2) t1 = madd(v, v128.load(x1, 16), t1);
        v = joinLow(high01, high23);
        s2 = madd(v, v128.load(x0, 32), s2);
        if (rows == 2) t0 = madd(v, v128.load(x1, 32), t0);
        v = joinHigh(high01, high23);
        s3 = madd(v, v128.load(x0, 48), s3);
        if (rows == 2) t1 = madd(v, v128.load(x1, 48), t1);
        codes = v128.and(bytes, nibble);
        b0 = lookup(p0, codes);
        b1 = lookup(p1, codes);
        b2 = lookup(p2, codes);
        b3 = lookup(p3, codes);
        low01 = zipLow(b0, b1);
        low23 = zipLow(b2, b3);
        high01 = zipHigh(b0, b1);
        high23 = zipHigh(b2, b3);
        v = joinLow(low01, low23);
        s0 = madd(v, v128.load(x0, 64), s0);
        if (rows == 2) t0 = madd(v, v128.load(x1, 64), t0);
        v = joinHigh(low01, low23);
        s1 = madd(v, v128.load(x0, 80), s1);
        if (rows == 2) t1 = madd(v, v128.load(x1, 80), t1);
        v = joinLow(high01, high23);
        s2 = madd(v, v128.load(x0, 96), s2);
        if (rows == 2) t0 = madd(v, v128.load(x1, 96), t0);
        v = joinHigh(high01, high23);
        s3 = madd(v, v128.load(x0, 112), s3);
        if (rows == 2) t1 = madd(v, v128.load(x1, 112), t1);
        at += 16;
        x0 += 128;
        if (rows == 2) x1 += 128;
      } while (at < end);
      const factor = v128.load32_splat(scale);
      total0 = madd(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)), factor, total0);
      if (rows == 2) total1 = madd(f32x4.add(t0, t1), factor, total1);
      scale += 4;
    }
    const to = c + (<usize>row << 2);
    put(to, total0, alpha, add);
    if (rows == 2) put(to + crs, total1, alpha, add);
  }
}
