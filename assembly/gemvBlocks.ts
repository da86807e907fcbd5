// One row of X times the rows of a q4_1, q8_0, bf16 or f16 weight, read as it lies.
import { Q4_1_BYTES, Q8_0_BYTES } from "./dtypes.gen";
import { madd } from "./gemmTile";
import { HALF_CONSTANTS, widenHalves } from "./half";
import { sumOf } from "./lanes";
import { rowInTurn } from "./rowOrder";
import { lookup, nibbleMask, zipHigh, zipLow } from "./unpackFourBit";

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

/** c[n] (+)= alpha * the n rows of q8_0 blocks from `first` on, of k floats each, times x. */
export function q8Rows(x: usize, first: usize, c: usize, n: i32, k: i32, alpha: f32, add: bool): void {
  const kept = v128.load32_splat(HALF_CONSTANTS);
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
      total = madd(f32x4.add(s2, s3), widenHalves(i32x4.extend_low_i16x8_s(v128.load16_splat(w)), kept, power, limit, exponent), total);
      w += Q8_0_BYTES;
      xi += 128;
    }
    put(c + (row << 2), sumOf(total), alpha, add);
  }
}

/** The high bytes of the floats 0 to 15, of which the low ones are 0. */
const COUNTS_2: usize = memory.data<u8>([0, 0x80, 0, 0x40, 0x80, 0xa0, 0xc0, 0xe0, 0, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70], 16);
const COUNTS_3: usize = memory.data<u8>([0, 0x3f, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41], 16);

/** The upper half of every lane; see `nibbleMask`. */
const UPPER: usize = memory.data<u32>([0xffff0000]);

/** Copies k floats, a multiple of 8, the even ones of each 8 before the odd ones, and writes the sum of each 32 to `sums`. */
function splitPairs(x: usize, k: i32, dst: usize, sums: usize): void {
  for (const end = x + (<usize>k << 2); x < end; ) {
    let sum = f32x4.splat(0);
    for (const blockEnd = x + 128; x < blockEnd; x += 32) {
      const a = v128.load(x);
      const b = v128.load(x, 16);
      v128.store(dst, v128.shuffle<f32>(a, b, 0, 2, 4, 6));
      v128.store(dst, v128.shuffle<f32>(a, b, 1, 3, 5, 7), 16);
      sum = f32x4.add(sum, f32x4.add(a, b));
      dst += 32;
    }
    store<f32>(sums, sumOf(sum));
    sums += 4;
  }
}

/** sums + the products of eight floats, of which only the high halves are there, and eight at x in the order of `splitPairs`. */
// @ts-ignore: decorator
@inline
function addHalves(halves: v128, upper: v128, x: usize, sums: v128): v128 {
  const even = madd(i32x4.shl(halves, 16), v128.load(x), sums);
  return madd(v128.and(halves, upper), v128.load(x, 16), even);
}

/** As q8Rows for q4_1 blocks, whose minimum multiplies the sum of a block of x; `room` is for a copy of x, and its sums after it. */
export function q4Rows(x: usize, first: usize, c: usize, n: i32, k: i32, alpha: f32, add: bool, room: usize): void {
  const sums = room + (<usize>k << 2);
  splitPairs(x, k, room, sums);
  const nibble = nibbleMask();
  const upper = v128.load32_splat(UPPER);
  const p2 = v128.load(COUNTS_2);
  const p3 = v128.load(COUNTS_3);
  const kept = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  const rowBytes = <usize>(k >> 5) * Q4_1_BYTES;
  for (let i = 0; i < n; i++) {
    const row = <usize>rowInTurn(i, n);
    let w = first + row * rowBytes;
    let total = f32x4.splat(0);
    let minima = total;
    let xi = room;
    let si = sums;
    for (let blocks = k >> 5; blocks > 0; blocks--) {
      const zero = f32x4.splat(0);
      const bytes = v128.load(w, 4);
      const low = v128.and(bytes, nibble);
      const high = v128.and(i16x8.shr_u(bytes, 4), nibble);
      const low2 = lookup(p2, low);
      const low3 = lookup(p3, low);
      const high2 = lookup(p2, high);
      const high3 = lookup(p3, high);
      const s0 = addHalves(zipLow(low2, low3), upper, xi, zero);
      const s1 = addHalves(zipHigh(low2, low3), upper, xi + 32, zero);
      const s2 = addHalves(zipLow(high2, high3), upper, xi + 64, s0);
      const s3 = addHalves(zipHigh(high2, high3), upper, xi + 96, s1);
      // The scale, then the minimum.
      const pair = widenHalves(i32x4.extend_low_i16x8_s(v128.load32_zero(w)), kept, power, limit, exponent);
      total = madd(f32x4.add(s2, s3), v128.shuffle<f32>(pair, pair, 0, 0, 0, 0), total);
      minima = madd(pair, v128.load32_splat(si), minima);
      w += Q4_1_BYTES;
      xi += 128;
      si += 4;
    }
    put(c + (row << 2), sumOf(total) + f32x4.extract_lane(minima, 1), alpha, add);
  }
}

/** As q8Rows for bf16, k a multiple of 8. */
export function bf16Rows(x: usize, first: usize, c: usize, n: i32, k: i32, alpha: f32, add: bool): void {
  const rowBytes = <usize>k << 1;
  for (let i = 0; i < n; i++) {
    const row = <usize>rowInTurn(i, n);
    let w = first + row * rowBytes;
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let xi = x;
    for (const end = x + (<usize>k << 2); xi < end; xi += 32) {
      const v = v128.load(w);
      s0 = madd(i32x4.shl(i32x4.extend_low_i16x8_u(v), 16), v128.load(xi), s0);
      s1 = madd(i32x4.shl(i32x4.extend_high_i16x8_u(v), 16), v128.load(xi, 16), s1);
      w += 16;
    }
    put(c + (row << 2), sumOf(f32x4.add(s0, s1)), alpha, add);
  }
}

/** As q8Rows for f16, k a multiple of 8. */
export function f16Rows(x: usize, first: usize, c: usize, n: i32, k: i32, alpha: f32, add: bool): void {
  const kept = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  const rowBytes = <usize>k << 1;
  for (let i = 0; i < n; i++) {
    const row = <usize>rowInTurn(i, n);
    let w = first + row * rowBytes;
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let xi = x;
    for (const end = x + (<usize>k << 2); xi < end; xi += 32) {
      const v = v128.load(w);
      s0 = madd(widenHalves(i32x4.extend_low_i16x8_s(v), kept, power, limit, exponent), v128.load(xi), s0);
      s1 = madd(widenHalves(i32x4.extend_high_i16x8_s(v), kept, power, limit, exponent), v128.load(xi, 16), s1);
      w += 16;
    }
    put(c + (row << 2), sumOf(f32x4.add(s0, s1)), alpha, add);
  }
}
