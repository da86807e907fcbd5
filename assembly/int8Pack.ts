// Panels of quantised weights for the register tiles of integer products.
import { Q4_1_BYTES, Q8_0_BYTES } from "./dtypes.gen";
import { HALF_CONSTANTS, widenHalves } from "./half";
import { nibbleMask } from "./unpackFourBit";

/** Columns of a panel: rows of the weight. */
export const Q4_COLUMNS: i32 = 8;
export const Q8_COLUMNS: i32 = 4;

/** Bytes of a block of a panel: for each four of its 32 elements four bytes of each column; then scales, and minima. */
export const Q4_PANEL: usize = 320;
export const Q8_PANEL: usize = 144;

/** Writes four vectors so that dst, in steps of `step` bytes, takes their first lanes, then their second ones, and so on. */
// @ts-ignore: decorator
@inline
function storeTransposed(a: v128, b: v128, c: v128, d: v128, dst: usize, step: usize): void {
  const ab0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd0 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const cd1 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(dst, v128.shuffle<i64>(ab0, cd0, 0, 2));
  v128.store(dst + step, v128.shuffle<i64>(ab0, cd0, 1, 3));
  v128.store(dst + 2 * step, v128.shuffle<i64>(ab1, cd1, 0, 2));
  v128.store(dst + 3 * step, v128.shuffle<i64>(ab1, cd1, 1, 3));
}

/** The first four bytes of four blocks. */
// @ts-ignore: decorator
@inline
function heads(a: usize, b: usize, c: usize, d: usize): v128 {
  return v128.load32_lane(d, v128.load32_lane(c, v128.load32_lane(b, v128.load32_zero(a), 1), 2), 3);
}

/** Four halves, each in the lower part of its lane, as floats. */
// @ts-ignore: decorator
@inline
function lowHalves(codes: v128, kept: v128, power: v128, limit: v128, exponent: v128): v128 {
  return widenHalves(i32x4.shr_s(i32x4.shl(codes, 16), 16), kept, power, limit, exponent);
}

/** Packs `blocks` blocks of `columns` (1 to 8) rows of a q4_1 weight, `wrs` bytes apart; the last one stands for those that are not there. */
export function packQ4(w: usize, wrs: usize, columns: i32, blocks: i32, dst: usize): void {
  const nibble = nibbleMask();
  const kept = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  const last = columns - 1;
  for (let from = 0; from < Q4_COLUMNS; from += 4) {
    let r0 = w + <usize>min(from, last) * wrs;
    let r1 = w + <usize>min(from + 1, last) * wrs;
    let r2 = w + <usize>min(from + 2, last) * wrs;
    let r3 = w + <usize>min(from + 3, last) * wrs;
    let to = dst + <usize>(from << 2);
    for (let b = 0; b < blocks; b++) {
      const b0 = v128.load(r0, 4);
      const b1 = v128.load(r1, 4);
      const b2 = v128.load(r2, 4);
      const b3 = v128.load(r3, 4);
      storeTransposed(v128.and(b0, nibble), v128.and(b1, nibble), v128.and(b2, nibble), v128.and(b3, nibble), to, 32);
      storeTransposed(
        v128.and(i16x8.shr_u(b0, 4), nibble), v128.and(i16x8.shr_u(b1, 4), nibble),
        v128.and(i16x8.shr_u(b2, 4), nibble), v128.and(i16x8.shr_u(b3, 4), nibble), to + 128, 32,
      );
      const pairs = heads(r0, r1, r2, r3);
      v128.store(to, lowHalves(pairs, kept, power, limit, exponent), 256);
      v128.store(to, widenHalves(i32x4.shr_s(pairs, 16), kept, power, limit, exponent), 288);
      r0 += Q4_1_BYTES;
      r1 += Q4_1_BYTES;
      r2 += Q4_1_BYTES;
      r3 += Q4_1_BYTES;
      to += Q4_PANEL;
    }
  }
}

/** Packs `blocks` blocks of `columns` (1 to 4) rows of a q8_0 weight, as packQ4. */
export function packQ8(w: usize, wrs: usize, columns: i32, blocks: i32, dst: usize): void {
  const kept = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  const last = columns - 1;
  let r1 = w + <usize>min(1, last) * wrs;
  let r2 = w + <usize>min(2, last) * wrs;
  let r3 = w + <usize>min(3, last) * wrs;
  for (; blocks > 0; blocks--) {
    storeTransposed(v128.load(w, 2), v128.load(r1, 2), v128.load(r2, 2), v128.load(r3, 2), dst, 16);
    storeTransposed(v128.load(w, 18), v128.load(r1, 18), v128.load(r2, 18), v128.load(r3, 18), dst + 64, 16);
    v128.store(dst, lowHalves(heads(w, r1, r2, r3), kept, power, limit, exponent), 128);
    w += Q8_0_BYTES;
    r1 += Q8_0_BYTES;
    r2 += Q8_0_BYTES;
    r3 += Q8_0_BYTES;
    dst += Q8_PANEL;
  }
}
