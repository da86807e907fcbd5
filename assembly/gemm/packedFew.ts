// Few rows times eight of a packed weight, in the order of sums of `gemmFew`. Codes of four rows are interleaved before
// they are widened, which avoids a transposition of floats. Two times four rows give two chains of sums for each row of
// X, which hide the latency of additions.
import { BLOCK, ggufBlock } from "../formats/gguf/blocks";
import { FP4, NF4, Q4_0, Q4_0_BYTES, Q4_1, Q4_1_BYTES, Q8_0, Q8_0_BYTES } from "../formats/dtypes.gen";
import { ZEROS } from "./gemmTile";
import { HALF_CONSTANTS } from "../formats/half";
import { addPair, heads, zipHigh, zipLow, madd } from "../simd/lanes";
import { bytePlane, codesFrom, fourBitScale, fourBitValues, lookup, nibbleMask } from "../formats/unpackFourBit";
import { lowHalves, widenHalves } from "../simd/widenHalf";

/** Number of elements of a row that are processed at a time. */
const SPAN: i32 = 32;
/** Bytes of the codes of SPAN elements of each of four rows, one byte per code. */
const SPAN_BYTES: usize = 128;

/**
 * Size in bytes of the scratch memory. It holds the codes of eight rows, then four elements of each row as floats, then
 * scales and minima.
 */
export const PACKED_SCRATCH: usize = 2 * SPAN_BYTES + 128 + 64;

/**
 * Returns true if the rows consist of whole groups of SPAN elements that share a scale. Rows have k elements and are
 * `ld` elements apart, from element `start` on.
 */
export function isWholeSpans(format: i32, w: usize, start: i32, ld: i32, k: i32): bool {
  if (((start | ld | k) & (SPAN - 1)) != 0) return false;
  if (format == NF4 || format == FP4) {
    const block = load<i32>(w);
    return block >= SPAN && ((start | ld) & (block - 1)) == 0;
  }
  return format == Q4_0 || format == Q4_1 || format == Q8_0;
}

// @ts-ignore: decorator
@inline
function zipPairsLow(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

// @ts-ignore: decorator
@inline
function zipPairsHigh(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** Interleaves 16 bytes of each of four rows: first byte 0 of all rows, then byte 1, ... Writes 64 bytes. */
// @ts-ignore: decorator
@inline
function storeBytes(a: v128, b: v128, c: v128, d: v128, dst: usize): void {
  const ab = zipLow(a, b);
  const cd = zipLow(c, d);
  v128.store(dst, zipPairsLow(ab, cd));
  v128.store(dst, zipPairsHigh(ab, cd), 16);
  const ab1 = zipHigh(a, b);
  const cd1 = zipHigh(c, d);
  v128.store(dst, zipPairsLow(ab1, cd1), 32);
  v128.store(dst, zipPairsHigh(ab1, cd1), 48);
}

/** Unpacks nf4 or fp4 bytes into codes of one byte each. The high nibble comes first. */
// @ts-ignore: decorator
@inline
function storeFourBit(a: v128, b: v128, nibble: v128, dst: usize): void {
  const first = v128.and(i16x8.shr_u(a, 4), nibble);
  const second = v128.and(a, nibble);
  v128.store(dst, v128.shuffle<u32>(first, second, 0, 4, 1, 5));
  v128.store(dst, v128.shuffle<u32>(first, second, 2, 6, 3, 7), 16);
  const third = v128.and(i16x8.shr_u(b, 4), nibble);
  const fourth = v128.and(b, nibble);
  v128.store(dst, v128.shuffle<u32>(third, fourth, 0, 4, 1, 5), 32);
  v128.store(dst, v128.shuffle<u32>(third, fourth, 2, 6, 3, 7), 48);
}

/** Writes the codes of 32 elements of each of four nf4 or fp4 rows, interleaved. The rows are `wrs` bytes apart. */
// @ts-ignore: decorator
@inline
function storeFourBitSpan(at: usize, wrs: usize, nibble: v128, dst: usize): void {
  const a = v128.load(at);
  const b = v128.load(at + wrs);
  const c = v128.load(at + 2 * wrs);
  const d = v128.load(at + 3 * wrs);
  const ab = zipLow(a, b);
  const cd = zipLow(c, d);
  storeFourBit(zipPairsLow(ab, cd), zipPairsHigh(ab, cd), nibble, dst);
  const ab1 = zipHigh(a, b);
  const cd1 = zipHigh(c, d);
  storeFourBit(zipPairsLow(ab1, cd1), zipPairsHigh(ab1, cd1), nibble, dst + 64);
}

/**
 * Returns four scales, one for each of four rows: the scale of block `block`, and the scales of the blocks that follow
 * at intervals of `apart` blocks.
 */
// @ts-ignore: decorator
@inline
function fourScales(w: usize, block: i32, apart: i32): v128 {
  let scales = f32x4.splat(fourBitScale(w, block));
  scales = f32x4.replace_lane(scales, 1, fourBitScale(w, block + apart));
  scales = f32x4.replace_lane(scales, 2, fourBitScale(w, block + 2 * apart));
  return f32x4.replace_lane(scales, 3, fourBitScale(w, block + 3 * apart));
}

/** Looks up the values of 16 nf4 or fp4 codes, interleaved from four rows, and writes them as f32. */
// @ts-ignore: decorator
@inline
function widenFourBit(p0: v128, p1: v128, p2: v128, p3: v128, codes: v128, scales: v128, dst: usize): void {
  const b0 = lookup(p0, codes);
  const b1 = lookup(p1, codes);
  const b2 = lookup(p2, codes);
  const b3 = lookup(p3, codes);
  const low01 = zipLow(b0, b1);
  const low23 = zipLow(b2, b3);
  const high01 = zipHigh(b0, b1);
  const high23 = zipHigh(b2, b3);
  v128.store(dst, f32x4.mul(zipPairsLow(low01, low23), scales));
  v128.store(dst, f32x4.mul(zipPairsHigh(low01, low23), scales), 16);
  v128.store(dst, f32x4.mul(zipPairsLow(high01, high23), scales), 32);
  v128.store(dst, f32x4.mul(zipPairsHigh(high01, high23), scales), 48);
}

/** Returns sum + x0 w0 + x1 w1 + x2 w2 + x3 w3, for four floats at x and four consecutive vectors at w. */
// @ts-ignore: decorator
@inline
function along(x: usize, w: usize, sum: v128): v128 {
  sum = madd(v128.load32_splat(x), v128.load(w), sum);
  sum = madd(v128.load32_splat(x, 4), v128.load(w, 16), sum);
  sum = madd(v128.load32_splat(x, 8), v128.load(w, 32), sum);
  return madd(v128.load32_splat(x, 12), v128.load(w, 48), sum);
}

/**
 * Computes C[m,8] += X[m,k] * W[8,k]ᵀ for an nf4 or fp4 weight, whose rows are `ld` elements apart. `rows`, a constant
 * in each call, is the number of rows that are computed: m, or 4 if m is 3 (the last row is then computed twice).
 */
// @ts-ignore: decorator
@inline
function fourBitFew(
  rows: i32, m: i32, x: usize, xrs: usize, w: usize, isFp4: bool, start: i32, ld: i32, c: usize, crs: usize, k: i32, room: usize,
): void {
  const values = fourBitValues(isFp4);
  const p0 = bytePlane(values, 0);
  const p1 = bytePlane(values, 1);
  const p2 = bytePlane(values, 2);
  const p3 = bytePlane(values, 3);
  const nibble = nibbleMask();
  const shift = ctz(load<i32>(w));
  const apart = ld >> shift;
  const wrs = <usize>ld >> 1;
  const wide = room + 2 * SPAN_BYTES;
  let at = codesFrom(w, start);
  let xi = x;
  let x3 = x + <usize>(m - 1) * xrs;
  let s00 = v128.load(ZEROS);
  let s01 = s00;
  let s10 = s00;
  let s11 = s00;
  let s20 = s00;
  let s21 = s00;
  let s30 = s00;
  let s31 = s00;
  let block = -1;
  let low = s00;
  let high = s00;
  for (let p = 0; p < k; p += SPAN) {
    const index = (start + p) >> shift;
    if (index != block) {
      block = index;
      low = fourScales(w, index, apart);
      high = fourScales(w, index + 4 * apart, apart);
    }
    storeFourBitSpan(at, wrs, nibble, room);
    storeFourBitSpan(at + 4 * wrs, wrs, nibble, room + SPAN_BYTES);
    for (let codes = room; codes < room + SPAN_BYTES; codes += 16) {
      widenFourBit(p0, p1, p2, p3, v128.load(codes), low, wide);
      widenFourBit(p0, p1, p2, p3, v128.load(codes + SPAN_BYTES), high, wide + 64);
      s00 = along(xi, wide, s00);
      s01 = along(xi, wide + 64, s01);
      if (rows > 1) {
        s10 = along(xi + xrs, wide, s10);
        s11 = along(xi + xrs, wide + 64, s11);
      }
      if (rows > 2) {
        s20 = along(xi + 2 * xrs, wide, s20);
        s21 = along(xi + 2 * xrs, wide + 64, s21);
        s30 = along(x3, wide, s30);
        s31 = along(x3, wide + 64, s31);
        x3 += 16;
      }
      xi += 16;
    }
    at += SPAN >> 1;
  }
  addPair(c, s00, s01);
  if (rows > 1) addPair(c + crs, s10, s11);
  if (rows > 2) {
    addPair(c + 2 * crs, s20, s21);
    if (m > 3) addPair(c + 3 * crs, s30, s31);
  }
}

/**
 * Writes the codes of one block of each of four rows to `dst`, interleaved. Writes the scales and minima of these
 * blocks to `factors`.
 */
// @ts-ignore: decorator
@inline
function storeBlock(
  bytes: bool, minimum: bool, r0: usize, wrs: usize, nibble: v128, mask: v128, power: v128, limit: v128, exponent: v128,
  dst: usize, factors: usize,
): void {
  const r1 = r0 + wrs;
  const r2 = r1 + wrs;
  const r3 = r2 + wrs;
  const pairs = heads(r0, r1, r2, r3);
  v128.store(factors, lowHalves(pairs, mask, power, limit, exponent));
  if (minimum) v128.store(factors, widenHalves(i32x4.shr_s(pairs, 16), mask, power, limit, exponent), 16);
  const codes: usize = minimum ? 4 : 2;
  const a = v128.load(r0 + codes);
  const b = v128.load(r1 + codes);
  const c = v128.load(r2 + codes);
  const d = v128.load(r3 + codes);
  if (bytes) {
    storeBytes(a, b, c, d, dst);
    storeBytes(v128.load(r0, 18), v128.load(r1, 18), v128.load(r2, 18), v128.load(r3, 18), dst + 64);
  } else {
    storeBytes(v128.and(a, nibble), v128.and(b, nibble), v128.and(c, nibble), v128.and(d, nibble), dst);
    storeBytes(
      v128.and(i16x8.shr_u(a, 4), nibble), v128.and(i16x8.shr_u(b, 4), nibble),
      v128.and(i16x8.shr_u(c, 4), nibble), v128.and(i16x8.shr_u(d, 4), nibble), dst + 64,
    );
  }
}

/** Converts 16 codes, interleaved from four rows, to f32 and writes them. */
// @ts-ignore: decorator
@inline
function widenCodes(minimum: bool, codes: v128, factors: usize, dst: usize): void {
  const scales = v128.load(factors);
  const low = i16x8.extend_low_i8x16_s(codes);
  const high = i16x8.extend_high_i8x16_s(codes);
  let v0 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low)), scales);
  let v1 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low)), scales);
  let v2 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high)), scales);
  let v3 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high)), scales);
  if (minimum) {
    const minima = v128.load(factors, 16);
    v0 = f32x4.add(v0, minima);
    v1 = f32x4.add(v1, minima);
    v2 = f32x4.add(v2, minima);
    v3 = f32x4.add(v3, minima);
  }
  v128.store(dst, v0);
  v128.store(dst, v1, 16);
  v128.store(dst, v2, 32);
  v128.store(dst, v3, 48);
}

/**
 * Computes C[m,8] += X[m,k] * W[8,k]ᵀ for a q8_0, q4_0 or q4_1 weight, whose rows are `ld` elements apart. `rows`, a
 * constant in each call, is the number of rows that are computed: m, or 4 if m is 3 (the last row is then computed
 * twice).
 */
// @ts-ignore: decorator
@inline
function blocksFew(
  rows: i32, m: i32, x: usize, xrs: usize, w: usize, bytes: bool, minimum: bool, blockBytes: usize, start: i32, ld: i32,
  c: usize, crs: usize, k: i32, room: usize,
): void {
  const nibble = nibbleMask();
  const eight = i8x16.splat(bytes || minimum ? 0 : 8);
  const mask = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  const wrs = <usize>(ld >> 5) * blockBytes;
  const wide = room + 2 * SPAN_BYTES;
  const low = wide + 128;
  const high = low + 32;
  let at = ggufBlock(w, start, <i32>blockBytes);
  let xi = x;
  let x3 = x + <usize>(m - 1) * xrs;
  let s00 = v128.load(ZEROS);
  let s01 = s00;
  let s10 = s00;
  let s11 = s00;
  let s20 = s00;
  let s21 = s00;
  let s30 = s00;
  let s31 = s00;
  for (let p = 0; p < k; p += BLOCK) {
    storeBlock(bytes, minimum, at, wrs, nibble, mask, power, limit, exponent, room, low);
    storeBlock(bytes, minimum, at + 4 * wrs, wrs, nibble, mask, power, limit, exponent, room + SPAN_BYTES, high);
    for (let codes = room; codes < room + SPAN_BYTES; codes += 16) {
      widenCodes(minimum, i8x16.sub(v128.load(codes), eight), low, wide);
      widenCodes(minimum, i8x16.sub(v128.load(codes + SPAN_BYTES), eight), high, wide + 64);
      s00 = along(xi, wide, s00);
      s01 = along(xi, wide + 64, s01);
      if (rows > 1) {
        s10 = along(xi + xrs, wide, s10);
        s11 = along(xi + xrs, wide + 64, s11);
      }
      if (rows > 2) {
        s20 = along(xi + 2 * xrs, wide, s20);
        s21 = along(xi + 2 * xrs, wide + 64, s21);
        s30 = along(x3, wide, s30);
        s31 = along(x3, wide + 64, s31);
        x3 += 16;
      }
      xi += 16;
    }
    at += blockBytes;
  }
  addPair(c, s00, s01);
  if (rows > 1) addPair(c + crs, s10, s11);
  if (rows > 2) {
    addPair(c + 2 * crs, s20, s21);
    if (m > 3) addPair(c + 3 * crs, s30, s31);
  }
}

// @ts-ignore: decorator
@inline
function fewOf(
  rows: i32, m: i32, format: i32, x: usize, xrs: usize, w: usize, start: i32, ld: i32, c: usize, crs: usize, k: i32, room: usize,
): void {
  if (format == NF4 || format == FP4) {
    fourBitFew(rows, m, x, xrs, w, format == FP4, start, ld, c, crs, k, room);
  } else if (format == Q4_0) {
    blocksFew(rows, m, x, xrs, w, false, false, Q4_0_BYTES, start, ld, c, crs, k, room);
  } else if (format == Q4_1) {
    blocksFew(rows, m, x, xrs, w, false, true, Q4_1_BYTES, start, ld, c, crs, k, room);
  } else {
    blocksFew(rows, m, x, xrs, w, true, false, Q8_0_BYTES, start, ld, c, crs, k, room);
  }
}

/**
 * Computes C[m,8] += X[m,k] * W[8,k]ᵀ for m from 1 to 4 and a packed weight for which `isWholeSpans` is true. Rows of X
 * are contiguous; rows of W are `ld` elements apart, from element `start` on. `room` has PACKED_SCRATCH bytes.
 */
export function packedFew(
  m: i32, format: i32, x: usize, xrs: usize, w: usize, start: i32, ld: i32, c: usize, crs: usize, k: i32, room: usize,
): void {
  if (m == 1) fewOf(1, m, format, x, xrs, w, start, ld, c, crs, k, room);
  else if (m == 2) fewOf(2, m, format, x, xrs, w, start, ld, c, crs, k, room);
  else fewOf(4, m, format, x, xrs, w, start, ld, c, crs, k, room);
}
