// Products of the 16-bit codes of int16Codes.ts. Sums of codes are exact, so the bits of a result do not depend on its
// tile or thread.
import { gemm } from "../gemm/gemm";
import { BLOCK, blocksOf, heightOf, int16RowScales, int16WeightScales, PANEL, pitch, ROWS } from "./int16Codes";
import { addPair } from "../simd/lanes";
import { putSums, SUMS, takeSums } from "./tiles/tileSums";

/** Size of a panel along the summed dimension, in elements. A panel of this size stays in the L1 cache. */
const DEPTH: i32 = 2048;

/**
 * Size in bytes of a chunk of rows of X's codes. One panel after another is multiplied by the same chunk, which
 * therefore stays in the L2 cache.
 */
const CHUNK: i32 = 1 << 18;

/** Returns the size in bytes of the scratch memory for `int16Product`. */
export function int16Scratch(): i32 {
  return <i32>SUMS + (PANEL << 1) * DEPTH;
}

/** Adds the products of one row of a tile, times their scale, to the row's eight sums in memory. */
// @ts-ignore: decorator
@inline
function addRow(to: usize, low: v128, high: v128, scale: f32): void {
  const s = f32x4.splat(scale);
  addPair(to, f32x4.mul(f32x4.convert_i32x4_s(low), s), f32x4.mul(f32x4.convert_i32x4_s(high), s));
}

/**
 * Computes sums[4][8] += X W for the codes of four rows and a panel. `pairs` is the number of pairs of codes along the
 * summed dimension, an even number. Rows of sums are `srs` bytes apart. The panel has one scale per block; the scales
 * are `step` bytes apart.
 */
function tile(
  x: usize, scales: usize, panel: usize, panelScales: usize, step: usize, pairs: i32, sums: usize, srs: usize,
): void {
  for (; pairs > 0; pairs -= BLOCK / 2) {
    const last = x + (<usize>min(BLOCK / 2, pairs) << 4) - 16;
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
    const w = load<f32>(panelScales);
    addRow(sums, c00, c01, load<f32>(scales) * w);
    addRow(sums + srs, c10, c11, load<f32>(scales, 4) * w);
    addRow(sums + 2 * srs, c20, c21, load<f32>(scales, 8) * w);
    addRow(sums + 3 * srs, c30, c31, load<f32>(scales, 12) * w);
    scales += 16;
    panelScales += step;
  }
}

/** Sets the 4 x 8 sums of a tile to zero. */
// @ts-ignore: decorator
@inline
function clear(sums: usize, srs: usize): void {
  for (let r = 0; r < ROWS; r++) {
    v128.store(sums, f32x4.splat(0));
    v128.store(sums, f32x4.splat(0), 16);
    sums += srs;
  }
}

/**
 * Packs the codes of eight columns of a weight, for `pairs` pairs of rows, as a panel. Panels of the weight are `wrs`
 * bytes apart.
 */
function packColumns(w: usize, wrs: usize, pairs: i32, panel: usize): void {
  for (; pairs > 0; pairs -= PANEL / 2) {
    for (let half: usize = 0; half < 32; half += 16) {
      const a = v128.load(w + half);
      const b = v128.load(w + half, 32);
      const c = v128.load(w + half, 64);
      const d = v128.load(w + half, 96);
      v128.store(panel, v128.shuffle<i16>(a, b, 0, 2, 1, 3, 8, 10, 9, 11));
      v128.store(panel, v128.shuffle<i16>(c, d, 0, 2, 1, 3, 8, 10, 9, 11), 16);
      v128.store(panel, v128.shuffle<i16>(a, b, 4, 6, 5, 7, 12, 14, 13, 15), 32);
      v128.store(panel, v128.shuffle<i16>(c, d, 4, 6, 5, 7, 12, 14, 13, 15), 48);
      panel += 64;
    }
    w += wrs;
  }
}

/**
 * Computes the columns first..last-1 of C = X W, or X Wᵀ if `transposed` is true, for `m` rows of X and a weight
 * [rows,columns], both as codes. `first` is a multiple of eight. The index of X's first row is a multiple of four, and
 * the weight starts at a block boundary. Rows of C are `crs` bytes apart. If `add` is true, adds to C.
 */
export function int16Part(
  x: usize, xScales: usize, w: usize, wScales: usize, rows: i32, columns: i32, transposed: bool, c: usize, crs: usize, m: i32,
  first: i32, last: i32, add: bool, scratch: usize,
): void {
  const k = transposed ? columns : rows;
  const xrs = <usize>pitch(k) << 1;
  const wrs = <usize>(pitch(columns) * PANEL) << 1;
  const blocks = blocksOf(k);
  const across = blocksOf(columns);
  const step: usize = transposed ? 4 : <usize>across << 2;
  const height = max(ROWS, (CHUNK / (min(DEPTH, pitch(k)) << 1)) & ~(ROWS - 1));
  for (let from = 0; from < k; from += DEPTH) {
    const depth = min(DEPTH, k - from);
    const pairs = (transposed ? pitch(depth) : heightOf(depth)) >> 1;
    const codes = x + (<usize>from << 3);
    const scales = xScales + (<usize>(from / BLOCK) << 4);
    const adds = add || from > 0;
    for (let top = 0; top < m; top += height) {
      const bottom = min(m, top + height);
      for (let j = first; j < last; j += PANEL) {
        const width = min(PANEL, last - j);
        let panel = w;
        let panelScales = wScales;
        if (transposed) {
          panel += <usize>(j / PANEL) * wrs + (<usize>from << 4);
          panelScales += <usize>((j / BLOCK) * across + from / BLOCK) << 2;
        } else {
          panel = scratch + SUMS;
          packColumns(w + <usize>(from / PANEL) * wrs + (<usize>j << 4), wrs, pairs, panel);
          panelScales += <usize>((from / BLOCK) * across + j / BLOCK) << 2;
        }
        for (let i = top; i < bottom; i += ROWS) {
          const to = c + <usize>i * crs + (<usize>j << 2);
          const there = min(ROWS, bottom - i);
          const isWhole = there == ROWS && width == PANEL;
          const sums = isWhole ? to : scratch;
          const srs: usize = isWhole ? crs : SUMS / ROWS;
          if (!adds) clear(sums, srs);
          else if (!isWhole) takeSums(scratch, to, crs, there, width);
          const rows = scales + (<usize>((i >> 2) * blocks) << 4);
          tile(codes + <usize>i * xrs, rows, panel, panelScales, step, pairs, sums, srs);
          if (!isWhole) putSums(scratch, to, crs, there, width);
        }
      }
    }
  }
}

/**
 * Adds the f32 products of X and the squares of W that `wide` marks (they have no codes) to the columns first..last-1
 * of C. `first` must be the first column of a square.
 */
function addWideSquares(
  x: usize, w: usize, wide: usize, rows: i32, columns: i32, transposed: i32, c: usize, m: i32, first: i32, last: i32,
): void {
  const n = transposed ? rows : columns;
  const k = transposed ? columns : rows;
  const across = blocksOf(columns);
  const blocks = blocksOf(k);
  const step = transposed ? 1 : across;
  for (let j = first; j < last; j += BLOCK) {
    const marks = wide + <usize>((j / BLOCK) * (transposed ? across : 1));
    for (let p = 0; p < blocks; p++) {
      const start = p;
      while (p < blocks && load<u8>(marks + <usize>(p * step))) p++;
      if (p == start) continue;
      const from = start * BLOCK;
      const square = transposed ? j * columns + from : from * columns + j;
      const depth = min(k, p * BLOCK) - from;
      gemm(
        x + (<usize>from << 2), w + (<usize>square << 2), c + (<usize>j << 2), m, min(BLOCK, last - j), depth,
        k, columns, n, 0, transposed, 1, 1,
      );
    }
  }
}

/**
 * Computes the columns first..last-1 of C[m,n] = X W, or X Wᵀ if `transposed` is 1, from the codes of `quantizeInt16`
 * and `packInt16`. `first` is a multiple of eight. `wide` is 0, or marks the squares of W without codes. These are
 * multiplied in f32: `xf` and `wf` are X and the weight [rows,columns] in f32, and `first` must then be a multiple of
 * BLOCK.
 */
export function int16Product(
  x: usize, w: usize, rows: i32, columns: i32, transposed: i32, c: usize, m: i32, first: i32, last: i32, scratch: usize,
  wide: usize, xf: usize, wf: usize,
): void {
  const n = transposed ? rows : columns;
  const xScales = int16RowScales(x, m, transposed ? columns : rows);
  const wScales = int16WeightScales(w, rows, columns, 0);
  int16Part(x, xScales, w, wScales, rows, columns, transposed != 0, c, <usize>n << 2, m, first, last, false, scratch);
  if (wide) addWideSquares(xf, wf, wide, rows, columns, transposed, c, m, first, last);
}
