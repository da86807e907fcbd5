// Integer products with q4_k and q5_k: codes below 16 and 32, and a scale and a minimum for each 32
// elements, as in q4_1. `five`, a constant at each call, is true for q5_k.
import { halfAt } from "../../formats/gguf/blocks";
import { dotBytes, laneSums, withQ4 } from "../tiles/byteProducts";
import { Q4_COLUMNS, Q4_PANEL } from "../tiles/panels";
import { bytesOf, codesOf, minimumBytes, scaleBytes } from "../../formats/gguf/kGroups";
import { storeTransposed } from "../../simd/lanes";
import { rowGroups, rowOfGroup, storeGroup } from "../../simd/rowOrder";

/** Loads the f16 value at byte `offset` of each of four blocks. */
// @ts-ignore: decorator
@inline
export function fourHalves(a: usize, b: usize, c: usize, d: usize, offset: usize): v128 {
  const first = f32x4.replace_lane(f32x4.splat(halfAt(a + offset)), 1, halfAt(b + offset));
  return f32x4.replace_lane(f32x4.replace_lane(first, 2, halfAt(c + offset)), 3, halfAt(d + offset));
}

// @ts-ignore: decorator
@inline
export function fourWords(a: u32, b: u32, c: u32, d: u32): v128 {
  const first = i32x4.replace_lane(i32x4.splat(<i32>a), 1, <i32>b);
  return i32x4.replace_lane(i32x4.replace_lane(first, 2, <i32>c), 3, <i32>d);
}

/**
 * Loads four 6-bit scales of each of four blocks, as one 32-bit word per block: the scales of groups 4 to 7 if `upper`
 * is true, otherwise of groups 0 to 3.
 */
// @ts-ignore: decorator
@inline
function fourScales(a: usize, b: usize, c: usize, d: usize, upper: bool): v128 {
  return fourWords(scaleBytes(a, upper), scaleBytes(b, upper), scaleBytes(c, upper), scaleBytes(d, upper));
}

/**
 * Loads four 6-bit minima of each of four blocks, as one 32-bit word per block: the minima of groups 4 to 7 if `upper`
 * is true, otherwise of groups 0 to 3.
 */
// @ts-ignore: decorator
@inline
function fourMinima(a: usize, b: usize, c: usize, d: usize, upper: bool): v128 {
  return fourWords(minimumBytes(a, upper), minimumBytes(b, upper), minimumBytes(c, upper), minimumBytes(d, upper));
}

/** Returns byte `at` of each word, converted to f32 and multiplied by `factors`. */
// @ts-ignore: decorator
@inline
function byteTimes(words: v128, at: i32, factors: v128): v128 {
  const bytes = v128.and(i32x4.shr_u(words, at << 3), i32x4.splat(63));
  return f32x4.mul(f32x4.convert_i32x4_s(bytes), factors);
}

/** Returns the scale of one group in each of four blocks. */
// @ts-ignore: decorator
@inline
export function groupScales(a: usize, b: usize, c: usize, d: usize, group: i32): v128 {
  return byteTimes(fourScales(a, b, c, d, group > 3), group & 3, fourHalves(a, b, c, d, 0));
}

/** Returns the minimum of one group in each of four blocks, negated so that an element is scale * code + minimum. */
// @ts-ignore: decorator
@inline
export function groupMinima(a: usize, b: usize, c: usize, d: usize, group: i32): v128 {
  return byteTimes(fourMinima(a, b, c, d, group > 3), group & 3, f32x4.neg(fourHalves(a, b, c, d, 2)));
}

/**
 * Packs `groups` * 32 elements of each of `columns` (1 to 8) rows of a q4_k or q5_k weight, in the layout of
 * `packInt8Panel`. Missing rows repeat the last one.
 */
// @ts-ignore: decorator
@inline
export function packGroupPanel(five: bool, w: usize, wrs: usize, columns: i32, groups: i32, dst: usize): void {
  const last = columns - 1;
  for (let from = 0; from < Q4_COLUMNS; from += 4) {
    let b0 = w + <usize>min(from, last) * wrs;
    let b1 = w + <usize>min(from + 1, last) * wrs;
    let b2 = w + <usize>min(from + 2, last) * wrs;
    let b3 = w + <usize>min(from + 3, last) * wrs;
    let to = dst + <usize>(from << 2);
    for (let blocks = groups >> 3; blocks > 0; blocks--) {
      const d = fourHalves(b0, b1, b2, b3, 0);
      const below = f32x4.neg(fourHalves(b0, b1, b2, b3, 2));
      for (let g = 0; g < 8; ) {
        const scales = fourScales(b0, b1, b2, b3, g > 3);
        const minima = fourMinima(b0, b1, b2, b3, g > 3);
        for (const end = g + 4; g < end; g++) {
          for (let part: usize = 0; part < 2; part++) {
            storeTransposed(
              codesOf(five, b0, g, part), codesOf(five, b1, g, part), codesOf(five, b2, g, part), codesOf(five, b3, g, part),
              to + (part << 7), 32,
            );
          }
          v128.store(to, byteTimes(scales, g & 3, d), 256);
          v128.store(to, byteTimes(minima, g & 3, below), 288);
          to += Q4_PANEL;
        }
      }
      b0 += bytesOf(five);
      b1 += bytesOf(five);
      b2 += bytesOf(five);
      b3 += bytesOf(five);
    }
  }
}

/**
 * Stores four words at `at`: 15, 1 and 2 in every byte, then the integer 63. Code before a loop over blocks loads them,
 * since V8 would build constants again at each use.
 */
function storeConstants(at: usize): void {
  store<u32>(at, 0x0f0f0f0f);
  store<u32>(at, 0x01010101, 4);
  store<u32>(at, 0x02020202, 8);
  store<u32>(at, 63, 12);
}

/**
 * Returns the dot product of 32 codes at x and one group of a block, as four partial sums. The group is number 2 * pair
 * or, if `odd`, number 2 * pair + 1.
 */
// @ts-ignore: decorator
@inline
function product(
  five: bool, odd: bool, x: usize, block: usize, pair: i32, nibble: v128, bit: v128,
): v128 {
  const low = dotBytes(v128.load(x), halfOf(five, odd, block, pair, 0, nibble, bit), i32x4.splat(0));
  return dotBytes(v128.load(x, 16), halfOf(five, odd, block, pair, 16, nibble, bit), low);
}

/**
 * Returns 16 of the 32 codes of a group: the first 16 if `part` is 0, the last 16 if it is 16. The group is number 2 *
 * pair or, if `odd` is true, number 2 * pair + 1. Each byte of `bit` is 1 for an even group and 2 for an odd one.
 */
// @ts-ignore: decorator
@inline
function halfOf(five: bool, odd: bool, block: usize, pair: i32, part: usize, nibble: v128, bit: v128): v128 {
  const bytes = v128.load(block + (<usize>pair << 5) + part + (five ? 48 : 16));
  const nibbles = v128.and(odd ? i16x8.shr_u(bytes, 4) : bytes, nibble);
  if (!five) return nibbles;
  const fifths = v128.and(i16x8.shr_u(v128.load(block + part, 16), pair << 1), bit);
  return v128.or(nibbles, i16x8.shl(fifths, odd ? 3 : 4));
}

/** Returns the lowest six bits of each word, converted to f32 and multiplied by `factors`. */
// @ts-ignore: decorator
@inline
function lowBytesTimes(words: v128, six: v128, factors: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(v128.and(words, six)), factors);
}

/**
 * Computes c[n]: the dot product of each of n weight rows with x, a row from `quantizeInt8` with one byte per code. The
 * weight's blocks are at `w`; a row has k elements. Terms are added in the order of `int8Tile`, so that both give the
 * same bits. `room` is 16 bytes of scratch.
 */
// @ts-ignore: decorator
@inline
export function groupInt8Rows(five: bool, x: usize, w: usize, c: usize, n: i32, k: i32, room: usize): void {
  storeConstants(room);
  const nibble = v128.load32_splat(room);
  const one = v128.load32_splat(room, 4);
  const two = v128.load32_splat(room, 8);
  const six = v128.load32_splat(room, 12);
  const rowBytes = <usize>(k >> 8) * bytesOf(five);
  for (let g = 0; g < rowGroups(n); g++) {
    let r0 = w + rowOfGroup(g, 0, n) * rowBytes;
    let r1 = w + rowOfGroup(g, 1, n) * rowBytes;
    let r2 = w + rowOfGroup(g, 2, n) * rowBytes;
    let r3 = w + rowOfGroup(g, 3, n) * rowBytes;
    let sums = f32x4.splat(0);
    let xi = x;
    let at = x + <usize>k;
    for (let blocks = k >> 8; blocks > 0; blocks--) {
      const d = fourHalves(r0, r1, r2, r3, 0);
      const below = f32x4.neg(fourHalves(r0, r1, r2, r3, 2));
      for (let pair = 0; pair < 4; ) {
        let scales = fourScales(r0, r1, r2, r3, pair > 1);
        let minima = fourMinima(r0, r1, r2, r3, pair > 1);
        for (const end = pair + 2; pair < end; pair++) {
          const even = laneSums(
            product(five, false, xi, r0, pair, nibble, one), product(five, false, xi, r1, pair, nibble, one),
            product(five, false, xi, r2, pair, nibble, one), product(five, false, xi, r3, pair, nibble, one),
          );
          sums = withQ4(
            sums, even, lowBytesTimes(scales, six, d), lowBytesTimes(minima, six, below),
            v128.load32_splat(at), v128.load32_splat(at, 4),
          );
          const odd = laneSums(
            product(five, true, xi + 32, r0, pair, nibble, two), product(five, true, xi + 32, r1, pair, nibble, two),
            product(five, true, xi + 32, r2, pair, nibble, two), product(five, true, xi + 32, r3, pair, nibble, two),
          );
          sums = withQ4(
            sums, odd, lowBytesTimes(i32x4.shr_u(scales, 8), six, d), lowBytesTimes(i32x4.shr_u(minima, 8), six, below),
            v128.load32_splat(at, 8), v128.load32_splat(at, 12),
          );
          scales = i32x4.shr_u(scales, 16);
          minima = i32x4.shr_u(minima, 16);
          xi += 64;
          at += 16;
        }
      }
      r0 += bytesOf(five);
      r1 += bytesOf(five);
      r2 += bytesOf(five);
      r3 += bytesOf(five);
    }
    storeGroup(c, g, n, sums);
  }
}
