// Rows of 15-bit codes times panels of low-bit codes. The sums of codes are exact: rows in two planes of bytes and rows
// in words give the same bits. A part of onDemand.ts.
import { addBlock, addFour, dotBytes } from "../tiles/byteProducts";
import { Q4_PANEL, WIDE_PANEL } from "../tiles/panels";
import { INT8_ROWS, int8RowBytes } from "../rowCodes";
import { clearSums, putSums, TILE, takeSums } from "../tiles/tileSums";
import { int8Tile } from "../tiles/int8Tile";
import { mixedFlags, mixedPairs, mixedTile, mixedWide } from "../mixedCodes";

/**
 * Computes a tile of a product, for rows of `quantizeInt15` in two planes and a panel of codes below 32, four columns
 * at a time. The upper bits of the codes at x are stored `plane` bytes after the lower ones.
 */
export function planesTile(x: usize, pairs: usize, plane: usize, panel: usize, blocks: i32, sums: usize): void {
  for (; blocks > 0; blocks--) {
    for (let half: usize = 0; half < 32; half += 16) {
      let l0 = i32x4.splat(0);
      let h0 = l0;
      let l1 = l0;
      let h1 = l0;
      let l2 = l0;
      let h2 = l0;
      let l3 = l0;
      let h3 = l0;
      let low = x;
      let w = panel + half;
      const end = x + 128;
      do {
        const high = low + plane;
        const codes = v128.load(w);
        l0 = dotBytes(v128.load32_splat(low), codes, l0);
        h0 = dotBytes(v128.load32_splat(high), codes, h0);
        l1 = dotBytes(v128.load32_splat(low, 4), codes, l1);
        h1 = dotBytes(v128.load32_splat(high, 4), codes, h1);
        l2 = dotBytes(v128.load32_splat(low, 8), codes, l2);
        h2 = dotBytes(v128.load32_splat(high, 8), codes, h2);
        l3 = dotBytes(v128.load32_splat(low, 12), codes, l3);
        h3 = dotBytes(v128.load32_splat(high, 12), codes, h3);
        low += 16;
        w += 32;
      } while (low < end);
      const factors = panel + 256 + half;
      const to = sums + half;
      addFour(to, joinPlanes15(l0, h0), factors, pairs);
      addFour(to + 32, joinPlanes15(l1, h1), factors, pairs + 8);
      addFour(to + 64, joinPlanes15(l2, h2), factors, pairs + 16);
      addFour(to + 96, joinPlanes15(l3, h3), factors, pairs + 24);
    }
    x += 128;
    panel += Q4_PANEL;
    pairs += 32;
  }
}

/** Returns low + 128 high, where `low` and `high` are the sums computed from the two planes of 15-bit codes. */
// @ts-ignore: decorator
@inline
function joinPlanes15(low: v128, high: v128): v128 {
  return i32x4.add(low, i32x4.shl(high, 7));
}

/** Converts the codes of `blocks` blocks of a panel to 16 bits; pairs of codes are interleaved by column. */
export function widenPanel(panel: usize, blocks: i32, to: usize): void {
  for (; blocks > 0; blocks--) {
    for (const end = panel + 256; panel < end; panel += 32) {
      for (let half: usize = 0; half < 32; half += 16) {
        const codes = v128.load(panel + half);
        const low = i16x8.extend_low_i8x16_u(codes);
        const high = i16x8.extend_high_i8x16_u(codes);
        v128.store(to + half, v128.shuffle<i32>(low, high, 0, 2, 4, 6));
        v128.store(to + half, v128.shuffle<i32>(low, high, 1, 3, 5, 7), 32);
      }
      to += 64;
    }
    for (const end = panel + 64; panel < end; panel += 16) {
      v128.store(to, v128.load(panel));
      to += 16;
    }
  }
}

/**
 * Converts a panel of `packQ6_K` to 16 bits, in the layout of `widenPanel`. A word is the code minus 32, times the
 * scale of its group; there are no minima.
 */
function widenSixBits(panel: usize, blocks: i32, to: usize): void {
  const middle = i16x8.splat(32);
  for (; blocks > 0; blocks--) {
    for (let group: usize = 0; group < 2; group++) {
      const scales = v128.load(panel + (group << 4), 288);
      const s0 = v128.shuffle<i16>(scales, scales, 0, 0, 1, 1, 2, 2, 3, 3);
      const s1 = v128.shuffle<i16>(scales, scales, 4, 4, 5, 5, 6, 6, 7, 7);
      const from = panel + (group << 7);
      for (let i: usize = 0; i < 128; i += 32) {
        for (let half: usize = 0; half < 32; half += 16) {
          const codes = v128.load(from + i + half);
          const low = i16x8.sub(i16x8.extend_low_i8x16_u(codes), middle);
          const high = i16x8.sub(i16x8.extend_high_i8x16_u(codes), middle);
          const s = half ? s1 : s0;
          v128.store(to + half, i16x8.mul(v128.shuffle<i32>(low, high, 0, 2, 4, 6), s));
          v128.store(to + half, i16x8.mul(v128.shuffle<i32>(low, high, 1, 3, 5, 7), s), 32);
        }
        to += 64;
      }
    }
    v128.store(to, v128.load(panel, 256));
    v128.store(to, v128.load(panel, 272), 16);
    memory.fill(to + 32, 0, 32);
    to += 64;
    panel += Q4_PANEL;
  }
}

/**
 * Computes a tile of a product, for rows of `quantizeInt15` in 16-bit words and a panel of `widenPanel`. The result is
 * the same as with `planesTile`.
 */
export function wordsTile(x: usize, pairs: usize, panel: usize, blocks: i32, sums: usize): void {
  for (; blocks > 0; blocks--) {
    const last = x + 240;
    let w0 = v128.load(panel);
    let w1 = v128.load(panel, 16);
    let codes = v128.load32_splat(x);
    let c00 = i32x4.dot_i16x8_s(codes, w0);
    let c01 = i32x4.dot_i16x8_s(codes, w1);
    codes = v128.load32_splat(x, 4);
    let c10 = i32x4.dot_i16x8_s(codes, w0);
    let c11 = i32x4.dot_i16x8_s(codes, w1);
    codes = v128.load32_splat(x, 8);
    let c20 = i32x4.dot_i16x8_s(codes, w0);
    let c21 = i32x4.dot_i16x8_s(codes, w1);
    codes = v128.load32_splat(x, 12);
    let c30 = i32x4.dot_i16x8_s(codes, w0);
    let c31 = i32x4.dot_i16x8_s(codes, w1);
    do {
      x += 16;
      panel += 32;
      w0 = v128.load(panel);
      w1 = v128.load(panel, 16);
      codes = v128.load32_splat(x);
      c00 = i32x4.add(c00, i32x4.dot_i16x8_s(codes, w0));
      c01 = i32x4.add(c01, i32x4.dot_i16x8_s(codes, w1));
      codes = v128.load32_splat(x, 4);
      c10 = i32x4.add(c10, i32x4.dot_i16x8_s(codes, w0));
      c11 = i32x4.add(c11, i32x4.dot_i16x8_s(codes, w1));
      codes = v128.load32_splat(x, 8);
      c20 = i32x4.add(c20, i32x4.dot_i16x8_s(codes, w0));
      c21 = i32x4.add(c21, i32x4.dot_i16x8_s(codes, w1));
      codes = v128.load32_splat(x, 12);
      c30 = i32x4.add(c30, i32x4.dot_i16x8_s(codes, w0));
      c31 = i32x4.add(c31, i32x4.dot_i16x8_s(codes, w1));
    } while (x < last);
    x += 16;
    panel += 32;
    const s0 = v128.load(panel);
    const s1 = v128.load(panel, 16);
    const m0 = v128.load(panel, 32);
    const m1 = v128.load(panel, 48);
    addBlock(sums, c00, c01, s0, s1, m0, m1, pairs);
    addBlock(sums + 32, c10, c11, s0, s1, m0, m1, pairs + 8);
    addBlock(sums + 64, c20, c21, s0, s1, m0, m1, pairs + 16);
    addBlock(sums + 96, c30, c31, s0, s1, m0, m1, pairs + 24);
    panel += 64;
    pairs += 32;
  }
}

/**
 * Multiplies m rows that `quantizeInt15` has quantised by a part of a panel of `columns` columns: the `blocks` blocks
 * from block `from` on. The codes of the rows are 16-bit words if `inWords` is true, otherwise two planes of bytes. If
 * `sixBits` is true, `packQ6_K` has packed the panel, and `inWords` must be true.
 */
export function wideRows(
  sixBits: bool, inWords: bool, x: usize, panel: usize, c: usize, m: i32, n: i32, k: i32, from: i32, blocks: i32, columns: i32, scratch: usize,
): void {
  const plane = <usize>(INT8_ROWS * k);
  const xrs = int8RowBytes(k, 2);
  const crs = <usize>n << 2;
  const isWide = sixBits || inWords;
  const codesAt = <usize>(INT8_ROWS * (from << 5)) << (isWide ? 1 : 0);
  const pairsAt = 2 * plane + <usize>(INT8_ROWS * (from << 3));
  const wide = scratch + TILE;
  if (sixBits) widenSixBits(panel, blocks, wide);
  else if (inWords) widenPanel(panel, blocks, wide);
  for (let i = 0; i < m; i += INT8_ROWS) {
    const rows = min(INT8_ROWS, m - i);
    const to = c + <usize>i * crs;
    const tile = x + <usize>i * xrs;
    if (from > 0) takeSums(scratch, to, crs, rows, columns);
    else clearSums(scratch);
    if (isWide) wordsTile(tile + codesAt, tile + pairsAt, wide, blocks, scratch);
    else planesTile(tile + codesAt, tile + pairsAt, plane, panel, blocks, scratch);
    putSums(scratch, to, crs, rows, columns);
  }
}

// Rows of `quantizeMixed` times panels of codes below 16. A part of onDemand.ts.

/**
 * Multiplies m rows of `quantizeMixed` by a part of a panel of `columns` columns: the `blocks` blocks from block `from`
 * on. If `inWords` is true, 15-bit codes are stored as 16-bit words, and products with 8-bit codes are first summed in
 * 16 bits. Otherwise 15-bit codes are stored in two planes of bytes.
 */
export function mixedRows(
  inWords: bool, x: usize, panel: usize, c: usize, m: i32, n: i32, k: i32, from: i32, blocks: i32, columns: i32, scratch: usize,
): void {
  const all = k >> 5;
  const crs = <usize>n << 2;
  const wide = scratch + TILE;
  if (inWords) widenPanel(panel, blocks, wide);
  for (let i = 0; i < m; i += INT8_ROWS) {
    const rows = min(INT8_ROWS, m - i);
    const to = c + <usize>i * crs;
    if (from > 0) takeSums(scratch, to, crs, rows, columns);
    else clearSums(scratch);
    const codes = x + (<usize>from << 7);
    const wideCodes = mixedWide(x, all) + (<usize>from << 8);
    const pairs = mixedPairs(x, all) + (<usize>from << 5);
    const flags = mixedFlags(x, all) + (<usize>from << 2);
    // Adjacent blocks of the same kind are one call; blocks in two planes are separate calls.
    for (let b = 0; b < blocks;) {
      const flag = load<u32>(flags + (<usize>b << 2));
      const at = <usize>b;
      do b++;
      while (b < blocks && load<u32>(flags + (<usize>b << 2)) == flag && (inWords || !flag));
      const run = b - <i32>at;
      const factors = pairs + (at << 5);
      if (!flag) int8Tile(inWords, codes + (at << 7), factors, panel + at * Q4_PANEL, run, scratch);
      else if (inWords) wordsTile(wideCodes + (at << 8), factors, wide + at * WIDE_PANEL, run, scratch);
      else planesTile(wideCodes + (at << 8), factors, 128, panel + at * Q4_PANEL, run, scratch);
    }
    putSums(scratch, to, crs, rows, columns);
    x += mixedTile(all);
  }
}
