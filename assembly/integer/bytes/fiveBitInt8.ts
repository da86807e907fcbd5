// Integer products with q5_0 and q5_1: codes below 32, and a scale and a minimum for each 32
// elements; the minimum of q5_0 is -16 times its scale.
import { dotBytes, laneSums, withQ4 } from "../tiles/byteProducts";
import { bytesOf, clearBits, codesOf, storeConstants, withFifth } from "../../formats/gguf/fiveBits";
import { Q4_COLUMNS, Q4_PANEL } from "../tiles/panels";
import { heads, storeTransposed } from "../../simd/lanes";
import { rowGroups, rowOfGroup, storeGroup } from "../../simd/rowOrder";
import { lowHalves, widenHalves } from "../../simd/widenHalf";

/** Returns the f16 scales of four blocks as f32. The arguments are the first 32-bit words of the blocks. */
// @ts-ignore: decorator
@inline
function scalesOf(firsts: v128): v128 {
  return lowHalves(firsts, i32x4.splat(0x8fffe000), i32x4.splat(0x77800000), i32x4.splat(0x47800000), i32x4.splat(0x7f800000));
}

/**
 * Returns the minima of four blocks: from the high half of each block's first word, or -16 times the scale for q5_0.
 */
// @ts-ignore: decorator
@inline
function minimaOf(minimum: bool, firsts: v128, scales: v128): v128 {
  if (!minimum) return f32x4.mul(scales, f32x4.splat(-16));
  return widenHalves(
    i32x4.shr_s(firsts, 16), i32x4.splat(0x8fffe000), i32x4.splat(0x77800000), i32x4.splat(0x47800000), i32x4.splat(0x7f800000),
  );
}

/** Returns 16 codes (0 to 31) from the first half of a block if `part` is 0, from its second half if `part` is 1. */
// @ts-ignore: decorator
@inline
export function halfOfFive(minimum: bool, block: usize, part: i32): v128 {
  const fifths = block + (minimum ? 4 : 2);
  const nibbles = v128.and(i16x8.shr_u(v128.load(fifths, 4), 4 * part), i8x16.splat(15));
  return codesOf(true, nibbles, <u32>load<u16>(fifths + <usize>(part << 1)));
}

/**
 * Packs the first `blocks` blocks of `columns` (1 to 8) rows of a q5_0 or q5_1 weight in the layout of `packInt8Panel`,
 * one column per row. Missing rows repeat the last one.
 */
// @ts-ignore: decorator
@inline
export function packFiveBits(minimum: bool, w: usize, wrs: usize, columns: i32, blocks: i32, dst: usize): void {
  const last = columns - 1;
  for (let from = 0; from < Q4_COLUMNS; from += 4) {
    let b0 = w + <usize>min(from, last) * wrs;
    let b1 = w + <usize>min(from + 1, last) * wrs;
    let b2 = w + <usize>min(from + 2, last) * wrs;
    let b3 = w + <usize>min(from + 3, last) * wrs;
    let to = dst + <usize>(from << 2);
    for (let b = 0; b < blocks; b++) {
      for (let part = 0; part < 2; part++) {
        storeTransposed(
          halfOfFive(minimum, b0, part), halfOfFive(minimum, b1, part), halfOfFive(minimum, b2, part), halfOfFive(minimum, b3, part),
          to + <usize>(part << 7), 32,
        );
      }
      const firsts = heads(b0, b1, b2, b3);
      const scales = scalesOf(firsts);
      v128.store(to, scales, 256);
      v128.store(to, minimaOf(minimum, firsts, scales), 288);
      b0 += bytesOf(minimum);
      b1 += bytesOf(minimum);
      b2 += bytesOf(minimum);
      b3 += bytesOf(minimum);
      to += Q4_PANEL;
    }
  }
}

/** Returns the dot product of a block of 32 weights and 32 int8 codes at x, as four partial sums. */
// @ts-ignore: decorator
@inline
function product(x: usize, fifths: usize, places: v128, bit: v128, nibble: v128, sixteen: v128): v128 {
  const bytes = v128.load(fifths, 4);
  const low = withFifth(true, v128.and(bytes, nibble), clearBits(v128.load16_splat(fifths), places, bit), sixteen);
  const high = withFifth(
    true, v128.and(i16x8.shr_u(bytes, 4), nibble), clearBits(v128.load16_splat(fifths, 2), places, bit), sixteen,
  );
  return dotBytes(v128.load(x, 16), high, dotBytes(v128.load(x), low, i32x4.splat(0)));
}

/**
 * Computes c[n]: the dot product of each of n weight rows with x, a row from `quantizeInt8` with one byte per code. The
 * weight's blocks are at `w`; a row has k elements. Terms are added in the order of `int8Tile`, so that both give the
 * same bits. `room` is scratch for `storeConstants`.
 */
// @ts-ignore: decorator
@inline
export function fiveBitInt8Rows(minimum: bool, x: usize, w: usize, c: usize, n: i32, k: i32, room: usize): void {
  storeConstants(room);
  const places = v128.load(room);
  const bit = v128.load(room, 16);
  const mask = v128.load32_splat(room, 32);
  const power = v128.load32_splat(room, 36);
  const limit = v128.load32_splat(room, 40);
  const exponent = v128.load32_splat(room, 44);
  const nibble = v128.load32_splat(room, 48);
  const sixteen = v128.load32_splat(room, 52);
  const fifths: usize = minimum ? 4 : 2;
  const rowBytes = <usize>(k >> 5) * bytesOf(minimum);
  for (let g = 0; g < rowGroups(n); g++) {
    let r0 = w + rowOfGroup(g, 0, n) * rowBytes;
    let r1 = w + rowOfGroup(g, 1, n) * rowBytes;
    let r2 = w + rowOfGroup(g, 2, n) * rowBytes;
    let r3 = w + rowOfGroup(g, 3, n) * rowBytes;
    let sums = f32x4.splat(0);
    let xi = x;
    let pair = x + <usize>k;
    for (let blocks = k >> 5; blocks > 0; blocks--) {
      const products = laneSums(
        product(xi, r0 + fifths, places, bit, nibble, sixteen), product(xi, r1 + fifths, places, bit, nibble, sixteen),
        product(xi, r2 + fifths, places, bit, nibble, sixteen), product(xi, r3 + fifths, places, bit, nibble, sixteen),
      );
      const firsts = heads(r0, r1, r2, r3);
      const scales = lowHalves(firsts, mask, power, limit, exponent);
      const minima = minimum
        ? widenHalves(i32x4.shr_s(firsts, 16), mask, power, limit, exponent)
        : f32x4.mul(scales, f32x4.splat(-16));
      sums = withQ4(sums, products, scales, minima, v128.load32_splat(pair), v128.load32_splat(pair, 4));
      r0 += bytesOf(minimum);
      r1 += bytesOf(minimum);
      r2 += bytesOf(minimum);
      r3 += bytesOf(minimum);
      xi += 32;
      pair += 8;
    }
    storeGroup(c, g, n, sums);
  }
}
