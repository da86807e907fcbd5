// GGUF's blocks of nibbles, low ones first: with a minimum after the scale, d q + m, or without, d (q - 8). A format
// passes two constants, a flag for the minimum and the bytes of a block. They are compile-time constants, since these
// functions are inlined.
import { BLOCK, ggufBlock, halfAt, widenSigned, widenUnsigned } from "./blocks";
import { dotBytes, laneSums, withQ4 } from "../../integer/tiles/byteProducts";
import { madd, heads, sumOf, zipHigh, zipLow, put } from "../../simd/lanes";
import { HALF_CONSTANTS } from "../half";
import { rowGroups, rowInTurn, rowOfGroup, storeGroup } from "../../simd/rowOrder";
import { lookup, nibbleMask } from "../unpackFourBit";
import { lowHalves, widenHalves } from "../../simd/widenHalf";

/**
 * Maximum length, in floats, of a row of X that is copied with its elements in another order. Scratch memory has room
 * for two rows of this length and for the scales of a row of W.
 */
export const SPLIT_MOST: i32 = 16384;

/** Converts `count` elements of a q4_0 or q4_1 weight to f32, from element `start` on. */
// @ts-ignore: decorator
@inline
export function unpackNibbles(minimum: bool, blockBytes: usize, base: usize, start: i32, count: i32, dst: usize): void {
  const nibble = nibbleMask();
  const end = start + count;
  for (let i = start; i < end; ) {
    const block = ggufBlock(base, i, blockBytes);
    const d = halfAt(block);
    const m: f32 = minimum ? halfAt(block + 2) : 0;
    const codes = block + (minimum ? 4 : 2);
    const within = i & (BLOCK - 1);
    if (within == 0 && end - i >= BLOCK) {
      const bytes = v128.load(codes);
      const low = v128.and(bytes, nibble);
      const high = v128.and(i16x8.shr_u(bytes, 4), nibble);
      if (minimum) {
        widenUnsigned(low, f32x4.splat(d), f32x4.splat(m), dst);
        widenUnsigned(high, f32x4.splat(d), f32x4.splat(m), dst + 64);
      } else {
        widenSigned(i8x16.sub(low, i8x16.splat(8)), f32x4.splat(d), dst);
        widenSigned(i8x16.sub(high, i8x16.splat(8)), f32x4.splat(d), dst + 64);
      }
      dst += 128;
      i += BLOCK;
    } else {
      const byte = <i32>load<u8>(codes + <usize>(within & 15));
      const code = within < 16 ? byte & 15 : byte >> 4;
      store<f32>(dst, minimum ? d * <f32>code + m : d * <f32>(code - 8));
      dst += 4;
      i++;
    }
  }
}

/**
 * Tables with byte 2 (COUNTS_2) and byte 3 (COUNTS_3) of the floats 0 to 15, indexed by code. The two low bytes of
 * these floats are 0.
 */
const COUNTS_2: usize = memory.data<u8>([0, 0x80, 0, 0x40, 0x80, 0xa0, 0xc0, 0xe0, 0, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70], 16);
const COUNTS_3: usize = memory.data<u8>([0, 0x3f, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41], 16);

/**
 * Tables with byte 2 (SIGNED_2) and byte 3 (SIGNED_3) of the floats -8 to 7, indexed by code. The two low bytes are 0.
 */
const SIGNED_2: usize = memory.data<u8>([0, 0xe0, 0xc0, 0xa0, 0x80, 0x40, 0, 0x80, 0, 0x80, 0, 0x40, 0x80, 0xa0, 0xc0, 0xe0], 16);
const SIGNED_3: usize = memory.data<u8>([0xc1, 0xc0, 0xc0, 0xc0, 0xc0, 0xc0, 0xc0, 0xbf, 0, 0x3f, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40], 16);

/**
 * A mask of the upper half of every 32-bit lane. It is loaded from memory, since V8 would build a constant again at
 * each use.
 */
const UPPER: usize = memory.data<u32>([0xffff0000]);

/**
 * Copies k floats, a multiple of 8. In each group of 8 the even-numbered elements come first. Writes the sum of each 32
 * floats to `sums`.
 */
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

/**
 * Returns `sums`, four partial sums, plus the products of eight weights and eight floats at x. Only the high 16 bits of
 * each weight are given; its other bits are 0. The floats are in the order of `splitPairs`.
 */
// @ts-ignore: decorator
@inline
function addHalves(halves: v128, upper: v128, x: usize, sums: v128): v128 {
  const even = madd(i32x4.shl(halves, 16), v128.load(x), sums);
  return madd(v128.and(halves, upper), v128.load(x, 16), even);
}

/**
 * Computes c[i] = alpha * (row i of W) x (or += if `add` is true) for n rows of a q4_0 or q4_1 weight W. The rows begin
 * at address `first` and have k elements each. In q4_1, each block of 32 elements has a minimum, which is multiplied by
 * the sum of the block's 32 elements of x. `room` is scratch for a copy of x and these sums.
 */
// @ts-ignore: decorator
@inline
export function nibbleRows(
  minimum: bool, blockBytes: usize, x: usize, first: usize, c: usize, n: i32, k: i32, alpha: f32, add: bool, room: usize,
): void {
  const sums = room + (<usize>k << 2);
  splitPairs(x, k, room, sums);
  const nibble = nibbleMask();
  const upper = v128.load32_splat(UPPER);
  const p2 = v128.load(minimum ? COUNTS_2 : SIGNED_2);
  const p3 = v128.load(minimum ? COUNTS_3 : SIGNED_3);
  const mask = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  const rowBytes = <usize>(k >> 5) * blockBytes;
  for (let i = 0; i < n; i++) {
    const row = <usize>rowInTurn(i, n);
    let w = first + row * rowBytes;
    let total = f32x4.splat(0);
    let minima = total;
    let xi = room;
    let si = sums;
    for (let blocks = k >> 5; blocks > 0; blocks--) {
      const zero = f32x4.splat(0);
      const bytes = v128.load(w + (minimum ? 4 : 2));
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
      if (minimum) {
        // The scale, then the minimum.
        const pair = widenHalves(i32x4.extend_low_i16x8_s(v128.load32_zero(w)), mask, power, limit, exponent);
        total = madd(f32x4.add(s2, s3), v128.shuffle<f32>(pair, pair, 0, 0, 0, 0), total);
        minima = madd(pair, v128.load32_splat(si), minima);
      } else {
        const scale = widenHalves(i32x4.extend_low_i16x8_s(v128.load16_splat(w)), mask, power, limit, exponent);
        total = madd(f32x4.add(s2, s3), scale, total);
      }
      w += blockBytes;
      xi += 128;
      si += 4;
    }
    put(c + (row << 2), sumOf(total) + f32x4.extract_lane(minima, 1), alpha, add);
  }
}

/** Returns the dot product of 32 4-bit weights (16 bytes at w) and 32 int8 codes at x, as four partial sums. */
// @ts-ignore: decorator
@inline
function nibbleProduct(x: usize, w: usize, nibble: v128): v128 {
  const bytes = v128.load(w);
  const low = dotBytes(v128.load(x), v128.and(bytes, nibble), i32x4.splat(0));
  return dotBytes(v128.load(x, 16), v128.and(i16x8.shr_u(bytes, 4), nibble), low);
}

/**
 * Computes c[n]: the dot product of each of n weight rows with x, a row from `quantizeInt8` with one byte per code. The
 * weight rows start at the address `first`; a row has k elements. Terms are added in the order of `int8Tile`, so that
 * both give the same bits.
 */
// @ts-ignore: decorator
@inline
export function nibbleInt8Rows(minimum: bool, blockBytes: usize, x: usize, first: usize, c: usize, n: i32, k: i32): void {
  const nibble = nibbleMask();
  const codes: usize = minimum ? 4 : 2;
  const mask = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  const eight = f32x4.splat(-8);
  const rowBytes = <usize>(k >> 5) * blockBytes;
  for (let g = 0; g < rowGroups(n); g++) {
    let r0 = first + rowOfGroup(g, 0, n) * rowBytes;
    let r1 = first + rowOfGroup(g, 1, n) * rowBytes;
    let r2 = first + rowOfGroup(g, 2, n) * rowBytes;
    let r3 = first + rowOfGroup(g, 3, n) * rowBytes;
    let sums = f32x4.splat(0);
    let xi = x;
    let pair = x + <usize>k;
    for (let blocks = k >> 5; blocks > 0; blocks--) {
      const p0 = nibbleProduct(xi, r0 + codes, nibble);
      const p1 = nibbleProduct(xi, r1 + codes, nibble);
      const p2 = nibbleProduct(xi, r2 + codes, nibble);
      const p3 = nibbleProduct(xi, r3 + codes, nibble);
      const pairs = heads(r0, r1, r2, r3);
      const scales = lowHalves(pairs, mask, power, limit, exponent);
      const minima = minimum
        ? widenHalves(i32x4.shr_s(pairs, 16), mask, power, limit, exponent)
        : f32x4.mul(scales, eight);
      sums = withQ4(sums, laneSums(p0, p1, p2, p3), scales, minima, v128.load32_splat(pair), v128.load32_splat(pair, 4));
      r0 += blockBytes;
      r1 += blockBytes;
      r2 += blockBytes;
      r3 += blockBytes;
      xi += 32;
      pair += 8;
    }
    storeGroup(c, g, n, sums);
  }
}
