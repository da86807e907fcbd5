// Products of the 16-bit codes of int16Codes.ts. Sums of codes are exact: a result's bits do not
// depend on the tile or the threads that made it.
import { BLOCK, blocksOf, heightOf, int16RowScales, int16WeightScales, packFour, pitch, ROWS } from "./int16Codes";
import { putSums, SUMS, takeSums } from "./tileSums";

const COLUMNS: i32 = 8;

/** Numbers along the contraction of a panel, which stays in a first-level cache. */
const DEPTH: i32 = 2048;

/** Bytes of codes of X that a panel is multiplied by at a time: a part of a second-level cache. */
const CHUNK: i32 = 1 << 18;

/** Bytes of scratch of `int16Product`; constant. */
export function int16ProductScratch(): i32 {
  return <i32>SUMS + (COLUMNS << 1) * DEPTH + ((DEPTH / BLOCK) << 2);
}

/** acc + the four sums of two products of 16-bit codes. */
// @ts-ignore: decorator
@inline
function dotPairs(a: v128, b: v128, acc: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(a, b));
}

/** Adds the products of a row of a tile to its sums. */
// @ts-ignore: decorator
@inline
function addRow(to: usize, low: v128, high: v128, scale: f32): void {
  const s = f32x4.splat(scale);
  v128.store(to, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(low), s), v128.load(to)));
  v128.store(to, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(high), s), v128.load(to, 16)), 16);
}

/** sums[4][8] += the codes of four rows times a panel of `pairs` pairs, an even number. */
function tile(x: usize, scales: usize, panel: usize, panelScales: usize, pairs: i32, sums: usize): void {
  for (; pairs > 0; pairs -= BLOCK / 2) {
    let c00 = i32x4.splat(0);
    let c01 = c00;
    let c10 = c00;
    let c11 = c00;
    let c20 = c00;
    let c21 = c00;
    let c30 = c00;
    let c31 = c00;
    const end = x + (<usize>min(BLOCK / 2, pairs) << 4);
    do {
      let w0 = v128.load(panel);
      let w1 = v128.load(panel, 16);
      let codes = v128.load32_splat(x);
      c00 = dotPairs(codes, w0, c00);
      c01 = dotPairs(codes, w1, c01);
      codes = v128.load32_splat(x, 4);
      c10 = dotPairs(codes, w0, c10);
      c11 = dotPairs(codes, w1, c11);
      codes = v128.load32_splat(x, 8);
      c20 = dotPairs(codes, w0, c20);
      c21 = dotPairs(codes, w1, c21);
      codes = v128.load32_splat(x, 12);
      c30 = dotPairs(codes, w0, c30);
      c31 = dotPairs(codes, w1, c31);
      w0 = v128.load(panel, 32);
      w1 = v128.load(panel, 48);
      codes = v128.load32_splat(x, 16);
      c00 = dotPairs(codes, w0, c00);
      c01 = dotPairs(codes, w1, c01);
      codes = v128.load32_splat(x, 20);
      c10 = dotPairs(codes, w0, c10);
      c11 = dotPairs(codes, w1, c11);
      codes = v128.load32_splat(x, 24);
      c20 = dotPairs(codes, w0, c20);
      c21 = dotPairs(codes, w1, c21);
      codes = v128.load32_splat(x, 28);
      c30 = dotPairs(codes, w0, c30);
      c31 = dotPairs(codes, w1, c31);
      x += 32;
      panel += 64;
    } while (x < end);
    const w = load<f32>(panelScales);
    addRow(sums, c00, c01, load<f32>(scales) * w);
    addRow(sums + 32, c10, c11, load<f32>(scales, 4) * w);
    addRow(sums + 64, c20, c21, load<f32>(scales, 8) * w);
    addRow(sums + 96, c30, c31, load<f32>(scales, 12) * w);
    scales += 16;
    panelScales += 4;
  }
}

/** Packs the pairs of up to eight rows of codes; the last stands for those that are not there. */
function packRows(w: usize, wrs: usize, rows: i32, pairs: i32, panel: usize): void {
  const last = rows - 1;
  for (let half = 0; half < COLUMNS; half += 4) {
    packFour(
      w + <usize>min(half, last) * wrs, w + <usize>min(half + 1, last) * wrs, w + <usize>min(half + 2, last) * wrs,
      w + <usize>min(half + 3, last) * wrs, pairs, panel + (<usize>half << 2), 32,
    );
  }
}

/** Packs eight columns of codes: of two rows at a time, which are `wrs` bytes apart. */
function packColumns(w: usize, wrs: usize, pairs: i32, panel: usize): void {
  for (; pairs > 0; pairs--) {
    const a = v128.load(w);
    const b = v128.load(w + wrs);
    v128.store(panel, v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11));
    v128.store(panel, v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15), 16);
    w += wrs << 1;
    panel += 32;
  }
}

/**
 * The columns first..last-1 of C = X times a weight [rows,columns], or its transpose; `first` is a
 * multiple of eight. Codes and scales of X have `m` rows from a multiple of four on, those of the
 * weight begin at whole blocks. Rows of C are `crs` bytes apart; `add` says to add to them.
 */
export function int16Part(
  x: usize, xScales: usize, w: usize, wScales: usize, rows: i32, columns: i32, transposed: bool, c: usize, crs: usize, m: i32,
  first: i32, last: i32, add: bool, scratch: usize,
): void {
  const k = transposed ? columns : rows;
  const xrs = <usize>pitch(k) << 1;
  const wrs = <usize>pitch(columns) << 1;
  const blocks = blocksOf(k);
  const across = blocksOf(columns);
  const panel = scratch + SUMS;
  const panelScales = panel + (<usize>(COLUMNS * DEPTH) << 1);
  const height = max(ROWS, (CHUNK / (min(DEPTH, pitch(k)) << 1)) & ~(ROWS - 1));
  for (let from = 0; from < k; from += DEPTH) {
    const depth = min(DEPTH, k - from);
    const pairs = (transposed ? pitch(depth) : heightOf(depth)) >> 1;
    const codes = x + (<usize>from << 3);
    const scales = xScales + (<usize>(from / BLOCK) << 4);
    for (let top = 0; top < m; top += height) {
      const bottom = min(m, top + height);
      for (let j = first; j < last; j += COLUMNS) {
        const width = min(COLUMNS, last - j);
        if (transposed) packRows(w + <usize>j * wrs + (<usize>from << 1), wrs, width, pairs, panel);
        else packColumns(w + <usize>from * wrs + (<usize>j << 1), wrs, pairs, panel);
        for (let b = 0; b < blocksOf(depth); b++) {
          const along = from / BLOCK + b;
          const square = transposed ? (j / BLOCK) * across + along : along * across + j / BLOCK;
          store<f32>(panelScales + (<usize>b << 2), load<f32>(wScales + (<usize>square << 2)));
        }
        for (let i = top; i < bottom; i += ROWS) {
          const to = c + <usize>i * crs + (<usize>j << 2);
          const there = min(ROWS, bottom - i);
          if (add || from > 0) takeSums(scratch, to, crs, there, width);
          else memory.fill(scratch, 0, SUMS);
          tile(codes + <usize>i * xrs, scales + (<usize>((i >> 2) * blocks) << 4), panel, panelScales, pairs, scratch);
          putSums(scratch, to, crs, there, width);
        }
      }
    }
  }
}

/**
 * The columns first..last-1 of C[m,n] = X times a weight [rows,columns], or its transpose where
 * `transposed` is 1. `quantizeInt16` and `packInt16` left the codes of both. `first` is a multiple
 * of eight.
 */
export function int16Product(
  x: usize, w: usize, rows: i32, columns: i32, transposed: i32, c: usize, m: i32, first: i32, last: i32, scratch: usize,
): void {
  const n = transposed ? rows : columns;
  const xScales = int16RowScales(x, m, transposed ? columns : rows);
  const wScales = int16WeightScales(w, rows, columns, 0);
  int16Part(x, xScales, w, wScales, rows, columns, transposed != 0, c, <usize>n << 2, m, first, last, false, scratch);
}
