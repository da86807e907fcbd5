// Integer products with q4_k: its codes are nibbles, and each 32 elements have a scale and a
// minimum, as in q4_1.
import { halfAt } from "./blocks";
import { dotBytes, laneSums, withQ4 } from "./byteProducts";
import { Q4_K_BYTES } from "./dtypes.gen";
import { Q4_COLUMNS, Q4_PANEL } from "./int8Panel";
import { codesOf, minimumBytes, scaleBytes } from "./kGroups";
import { storeTransposed } from "./lanes";
import { rowGroups, rowOfGroup, storeGroup } from "./rowOrder";

/** The f16 number `offset` bytes into each of four blocks. */
// @ts-ignore: decorator
@inline
function fourHalves(a: usize, b: usize, c: usize, d: usize, offset: usize): v128 {
  const first = f32x4.replace_lane(f32x4.splat(halfAt(a + offset)), 1, halfAt(b + offset));
  return f32x4.replace_lane(f32x4.replace_lane(first, 2, halfAt(c + offset)), 3, halfAt(d + offset));
}

// @ts-ignore: decorator
@inline
function fourWords(a: u32, b: u32, c: u32, d: u32): v128 {
  const first = i32x4.replace_lane(i32x4.splat(<i32>a), 1, <i32>b);
  return i32x4.replace_lane(i32x4.replace_lane(first, 2, <i32>c), 3, <i32>d);
}

/** The 6-bit scales of the groups 0 to 3, or 4 to 7, of four blocks: a word of each. */
// @ts-ignore: decorator
@inline
function fourScales(a: usize, b: usize, c: usize, d: usize, upper: bool): v128 {
  return fourWords(scaleBytes(a, upper), scaleBytes(b, upper), scaleBytes(c, upper), scaleBytes(d, upper));
}

/** Their 6-bit minima likewise. */
// @ts-ignore: decorator
@inline
function fourMinima(a: usize, b: usize, c: usize, d: usize, upper: bool): v128 {
  return fourWords(minimumBytes(a, upper), minimumBytes(b, upper), minimumBytes(c, upper), minimumBytes(d, upper));
}

/** Byte `at` of each word as a float, times `factors`. */
// @ts-ignore: decorator
@inline
function byteTimes(words: v128, at: i32, factors: v128): v128 {
  const bytes = v128.and(i32x4.shr_u(words, at << 3), i32x4.splat(63));
  return f32x4.mul(f32x4.convert_i32x4_s(bytes), factors);
}

/**
 * Packs `groups` times 32 elements, whole blocks, of `columns` (1 to 8) rows of a weight as
 * `packInt8Panel` does; the last row stands for those that are not there.
 */
export function packQ4_K(w: usize, wrs: usize, columns: i32, groups: i32, dst: usize): void {
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
              codesOf(false, b0, g, part), codesOf(false, b1, g, part), codesOf(false, b2, g, part), codesOf(false, b3, g, part),
              to + (part << 7), 32,
            );
          }
          v128.store(to, byteTimes(scales, g & 3, d), 256);
          v128.store(to, byteTimes(minima, g & 3, below), 288);
          to += Q4_PANEL;
        }
      }
      b0 += Q4_K_BYTES;
      b1 += Q4_K_BYTES;
      b2 += Q4_K_BYTES;
      b3 += Q4_K_BYTES;
    }
  }
}

/** The integer product of a group of a block and 32 codes at x. */
// @ts-ignore: decorator
@inline
function product(x: usize, block: usize, group: i32): v128 {
  const low = dotBytes(v128.load(x), codesOf(false, block, group, 0), i32x4.splat(0));
  return dotBytes(v128.load(x, 16), codesOf(false, block, group, 1), low);
}

/**
 * c[n] = the n rows of blocks at `w`, of k elements each, times the row x of `quantizeInt8` with
 * one plane. Four rows at a time sum in the order of `int8Tile`.
 */
export function q4_KInt8Rows(x: usize, w: usize, c: usize, n: i32, k: i32): void {
  const rowBytes = <usize>(k >> 8) * Q4_K_BYTES;
  for (let g = 0; g < rowGroups(n); g++) {
    let r0 = w + rowOfGroup(g, 0, n) * rowBytes;
    let r1 = w + rowOfGroup(g, 1, n) * rowBytes;
    let r2 = w + rowOfGroup(g, 2, n) * rowBytes;
    let r3 = w + rowOfGroup(g, 3, n) * rowBytes;
    let sums = f32x4.splat(0);
    let xi = x;
    let pair = x + <usize>k;
    for (let blocks = k >> 8; blocks > 0; blocks--) {
      const d = fourHalves(r0, r1, r2, r3, 0);
      const below = f32x4.neg(fourHalves(r0, r1, r2, r3, 2));
      for (let b = 0; b < 8; ) {
        const scales = fourScales(r0, r1, r2, r3, b > 3);
        const minima = fourMinima(r0, r1, r2, r3, b > 3);
        for (const end = b + 4; b < end; b++) {
          const products = laneSums(product(xi, r0, b), product(xi, r1, b), product(xi, r2, b), product(xi, r3, b));
          sums = withQ4(
            sums, products, byteTimes(scales, b & 3, d), byteTimes(minima, b & 3, below),
            v128.load32_splat(pair), v128.load32_splat(pair, 4),
          );
          xi += 32;
          pair += 8;
        }
      }
      r0 += Q4_K_BYTES;
      r1 += Q4_K_BYTES;
      r2 += Q4_K_BYTES;
      r3 += Q4_K_BYTES;
    }
    storeGroup(c, g, n, sums);
  }
}
