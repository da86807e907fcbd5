// Panels of quantised weights for the register tiles of integer products.
import { heads, storeTransposed } from "../../simd/lanes";
import { lowHalves, widenHalves } from "../../simd/widenHalf";

/** Number of columns in a panel of low-bit codes. A column of the product is a row of the weight. */
export const Q4_COLUMNS: i32 = 8;
/** Number of columns in a panel of 8-bit codes. */
export const Q8_COLUMNS: i32 = 4;

/**
 * Bytes of a block of a panel of low-bit codes. It holds the codes of 32 elements of each column (four bytes of each
 * column alternate), the columns' scales and their minima.
 */
export const Q4_PANEL: usize = 320;
/** Bytes of a block of a panel of 8-bit codes, which has no minima. */
export const Q8_PANEL: usize = 144;

/** Bytes of a block of eight columns, as 16-bit codes with scales and minima. */
export const WIDE_PANEL: usize = 576;
/** Number of blocks with 16-bit codes that are processed at a time. */
export const WIDE_DEPTH: i32 = 64;

/**
 * Packs `blocks` blocks of `columns` (1 to 8) rows of a q4_0 or q4_1 weight as a panel. Rows are `wrs` bytes apart;
 * missing rows repeat the last one. `nibble` has 15 in each byte, `halves` is the address of `HALF_CONSTANTS`.
 * `minimum` is true for q4_1, whose blocks have a minimum; `blockBytes` is the size of a block. Both are constants in
 * each call.
 */
// @ts-ignore: decorator
@inline
export function packNibbles(
  minimum: bool, blockBytes: usize, nibble: v128, halves: usize, w: usize, wrs: usize, columns: i32, blocks: i32,
  dst: usize,
): void {
  const mask = v128.load32_splat(halves);
  const power = v128.load32_splat(halves, 4);
  const limit = v128.load32_splat(halves, 8);
  const exponent = v128.load32_splat(halves, 12);
  const codes: usize = minimum ? 4 : 2;
  const last = columns - 1;
  for (let from = 0; from < Q4_COLUMNS; from += 4) {
    let r0 = w + <usize>min(from, last) * wrs;
    let r1 = w + <usize>min(from + 1, last) * wrs;
    let r2 = w + <usize>min(from + 2, last) * wrs;
    let r3 = w + <usize>min(from + 3, last) * wrs;
    let to = dst + <usize>(from << 2);
    for (let b = 0; b < blocks; b++) {
      const b0 = v128.load(r0 + codes);
      const b1 = v128.load(r1 + codes);
      const b2 = v128.load(r2 + codes);
      const b3 = v128.load(r3 + codes);
      storeTransposed(v128.and(b0, nibble), v128.and(b1, nibble), v128.and(b2, nibble), v128.and(b3, nibble), to, 32);
      storeTransposed(
        v128.and(i16x8.shr_u(b0, 4), nibble), v128.and(i16x8.shr_u(b1, 4), nibble),
        v128.and(i16x8.shr_u(b2, 4), nibble), v128.and(i16x8.shr_u(b3, 4), nibble), to + 128, 32,
      );
      const pairs = heads(r0, r1, r2, r3);
      const scales = lowHalves(pairs, mask, power, limit, exponent);
      v128.store(to, scales, 256);
      if (minimum) v128.store(to, widenHalves(i32x4.shr_s(pairs, 16), mask, power, limit, exponent), 288);
      else v128.store(to, f32x4.mul(scales, f32x4.splat(-8)), 288);
      r0 += blockBytes;
      r1 += blockBytes;
      r2 += blockBytes;
      r3 += blockBytes;
      to += Q4_PANEL;
    }
  }
}
