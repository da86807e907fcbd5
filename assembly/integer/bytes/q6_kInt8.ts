// Integer products with q6_k. Its scales s belong to 16 elements, and are integers relative to one f32 scale d. The
// 13-bit products of a code minus 32 and s are summed for 32 elements. With 15-bit rows these sums stay below 2^31,
// since 16383 x 32 x 128 x 32 does.
import { dotBytes, laneSums, withQ4 } from "../tiles/byteProducts";
import { Q6_K_BYTES } from "../../formats/dtypes.gen";
import { Q4_COLUMNS, Q4_PANEL } from "../tiles/panels";
import { fourHalves, fourWords } from "./kInt8";
import { storeTransposed } from "../../simd/lanes";
import { sixBits } from "../../formats/gguf/q6_k";
import { rowGroups, rowOfGroup, storeGroup } from "../../simd/rowOrder";

/** Offset of the 16 scales in a block, in bytes. */
const SCALES: usize = 192;
/** Offset in bytes, from the start of a block, of d, the f16 scale of the block. */
const D: usize = 208;

/** Loads four scales (groups `group` to `group + 3`) of each of four blocks: one 32-bit word per block. */
// @ts-ignore: decorator
@inline
function fourScales(a: usize, b: usize, c: usize, d: usize, group: i32): v128 {
  const at = SCALES + <usize>group;
  return fourWords(load<u32>(a + at), load<u32>(b + at), load<u32>(c + at), load<u32>(d + at));
}

/** Returns byte `at` of each 32-bit word, sign-extended. */
// @ts-ignore: decorator
@inline
function signedByte(words: v128, at: i32): v128 {
  return i32x4.shr_s(i32x4.shl(words, 24 - (at << 3)), 24);
}

/**
 * Packs `columns` (1 to 8) rows of a q6_k weight, `blocks` times 32 elements of each, as a panel for `widenSixBits`:
 * codes from 0 to 63 in the layout of `packInt8Panel`, then d of each column, then the scales of both groups of 16 as
 * 16-bit integers, each stored twice.
 */
export function packQ6_K(w: usize, wrs: usize, columns: i32, blocks: i32, dst: usize): void {
  const last = columns - 1;
  for (let from = 0; from < Q4_COLUMNS; from += 4) {
    let b0 = w + <usize>min(from, last) * wrs;
    let b1 = w + <usize>min(from + 1, last) * wrs;
    let b2 = w + <usize>min(from + 2, last) * wrs;
    let b3 = w + <usize>min(from + 3, last) * wrs;
    let to = dst + <usize>(from << 2);
    for (let rest = blocks >> 3; rest > 0; rest--) {
      const d = fourHalves(b0, b1, b2, b3, D);
      for (let g = 0; g < 16; g += 2) {
        const scales = fourScales(b0, b1, b2, b3, g & ~3);
        for (let part = 0; part < 2; part++) {
          storeTransposed(
            sixBits(b0, g + part), sixBits(b1, g + part), sixBits(b2, g + part), sixBits(b3, g + part),
            to + <usize>(part << 7), 32,
          );
        }
        v128.store(to, d, 256);
        const s = signedByte(scales, g & 3);
        v128.store64_lane(to - <usize>(from << 1), i16x8.narrow_i32x4_s(s, s), 0, 288);
        const t = signedByte(scales, (g & 3) + 1);
        v128.store64_lane(to - <usize>(from << 1), i16x8.narrow_i32x4_s(t, t), 0, 304);
        to += Q4_PANEL;
      }
      b0 += Q6_K_BYTES;
      b1 += Q6_K_BYTES;
      b2 += Q6_K_BYTES;
      b3 += Q6_K_BYTES;
    }
  }
}

/**
 * Returns 16 of the 32 codes in quarter `quarter` (0 to 3) of half a block, which has 128 elements. They are the first
 * 16 codes of the quarter if `part` is 0, the last 16 if it is 16.
 */
// @ts-ignore: decorator
@inline
function codesAt(low: usize, high: usize, quarter: i32, part: usize, nibble: v128, upper: v128): v128 {
  const bytes = v128.load(low + part + (quarter & 1 ? 32 : 0));
  const nibbles = v128.and(quarter > 1 ? i16x8.shr_u(bytes, 4) : bytes, nibble);
  const bits = v128.load(high + part, 128);
  const shifted = quarter < 2 ? i16x8.shl(bits, 4 - 2 * quarter) : quarter == 2 ? bits : i16x8.shr_u(bits, 2);
  return v128.or(nibbles, v128.and(shifted, upper));
}

/**
 * Returns the dot products of 16 codes at x and one group from each of four blocks, times the scales of these groups.
 */
// @ts-ignore: decorator
@inline
function groupSums(
  x: usize, a: usize, b: usize, c: usize, d: usize, half: usize, quarter: i32, part: usize, scales: v128, nibble: v128,
  upper: v128, middle: v128,
): v128 {
  const codes = v128.load(x + part);
  const minus = i32x4.neg(dotBytes(codes, middle, i32x4.splat(0)));
  const low = half << 6;
  const high = half << 5;
  const sums = laneSums(
    dotBytes(codes, codesAt(a + low, a + high, quarter, part, nibble, upper), minus),
    dotBytes(codes, codesAt(b + low, b + high, quarter, part, nibble, upper), minus),
    dotBytes(codes, codesAt(c + low, c + high, quarter, part, nibble, upper), minus),
    dotBytes(codes, codesAt(d + low, d + high, quarter, part, nibble, upper), minus),
  );
  return i32x4.mul(sums, signedByte(scales, ((quarter & 1) << 1) + (part ? 1 : 0)));
}

/**
 * Returns `sums` plus the products of 32 codes at x and 32 weights of each of four blocks. The weights are quarter
 * `quarter` (0 to 3) of half `half` (0 or 1) of a block.
 */
// @ts-ignore: decorator
@inline
function withQuarter(
  sums: v128, x: usize, at: usize, a: usize, b: usize, c: usize, d: usize, half: usize, quarter: i32, scales: v128,
  factors: v128, nibble: v128, upper: v128, middle: v128,
): v128 {
  const first = groupSums(x, a, b, c, d, half, quarter, 0, scales, nibble, upper, middle);
  const second = groupSums(x, a, b, c, d, half, quarter, 16, scales, nibble, upper, middle);
  const products = i32x4.add(first, second);
  return withQ4(sums, products, factors, f32x4.splat(0), v128.load32_splat(at), v128.load32_splat(at, 4));
}

/**
 * Computes c[n]: the dot product of each of n rows of a q6_k weight with x, a row from `quantizeInt8` with one byte per
 * code. The weight is at `w`; a row has k elements. Terms are added in the order of `wordsTile`, so that both give the
 * same bits. `room` is 12 bytes of scratch for constants.
 */
export function q6_kInt8Rows(x: usize, w: usize, c: usize, n: i32, k: i32, room: usize): void {
  store<u32>(room, 0x0f0f0f0f);
  store<u32>(room, 0x30303030, 4);
  store<u32>(room, 0x20202020, 8);
  const nibble = v128.load32_splat(room);
  const upper = v128.load32_splat(room, 4);
  const middle = v128.load32_splat(room, 8);
  const rowBytes = <usize>(k >> 8) * Q6_K_BYTES;
  for (let g = 0; g < rowGroups(n); g++) {
    let r0 = w + rowOfGroup(g, 0, n) * rowBytes;
    let r1 = w + rowOfGroup(g, 1, n) * rowBytes;
    let r2 = w + rowOfGroup(g, 2, n) * rowBytes;
    let r3 = w + rowOfGroup(g, 3, n) * rowBytes;
    let sums = f32x4.splat(0);
    let xi = x;
    let at = x + <usize>k;
    for (let blocks = k >> 8; blocks > 0; blocks--) {
      const d = fourHalves(r0, r1, r2, r3, D);
      for (let half: usize = 0; half < 2; half++) {
        let scales = fourScales(r0, r1, r2, r3, <i32>half << 3);
        sums = withQuarter(sums, xi, at, r0, r1, r2, r3, half, 0, scales, d, nibble, upper, middle);
        sums = withQuarter(sums, xi + 32, at + 8, r0, r1, r2, r3, half, 1, scales, d, nibble, upper, middle);
        scales = fourScales(r0, r1, r2, r3, (<i32>half << 3) + 4);
        sums = withQuarter(sums, xi + 64, at + 16, r0, r1, r2, r3, half, 2, scales, d, nibble, upper, middle);
        sums = withQuarter(sums, xi + 96, at + 24, r0, r1, r2, r3, half, 3, scales, d, nibble, upper, middle);
        xi += 128;
        at += 32;
      }
      r0 += Q6_K_BYTES;
      r1 += Q6_K_BYTES;
      r2 += Q6_K_BYTES;
      r3 += Q6_K_BYTES;
    }
    storeGroup(c, g, n, sums);
  }
}
