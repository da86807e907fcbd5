// Products in 16-bit codes. X has codes of 13 bits, and a scale for each row and 64 numbers along
// the contraction. W has codes of 14 bits, and a scale for each square of 64 x 64, so that one
// copy serves both directions. The sum of 64 products of such codes fits 32 bits and is exact: a
// result's bits do not depend on the tile or the threads that made it.
import { loadPart, storePart } from "./lanes";

/** Numbers that share a scale along a side. */
const BLOCK: i32 = 64;

/** The largest codes of X and of W: 64 times their product is below 2^31. */
const LARGEST_X: f32 = 4095;
const LARGEST_W: f32 = 8191;

const ROWS: i32 = 4;
const COLUMNS: i32 = 8;

/** Bytes of the sums of a tile. */
const SUMS: usize = 128;

/** Numbers along the contraction of a panel, which stays in a first-level cache. */
const DEPTH: i32 = 2048;

/** Bytes of codes of X that a panel is multiplied by at a time: a part of a second-level cache. */
const CHUNK: i32 = 1 << 18;

/** Blocks of a side. */
// @ts-ignore: decorator
@inline
export function blocksOf(length: i32): i32 {
  return (length + BLOCK - 1) / BLOCK;
}

/** Codes of a row, which are packed eight at a time. */
// @ts-ignore: decorator
@inline
function pitch(length: i32): i32 {
  return (length + 7) & ~7;
}

/** Bytes of the codes of X [m,k]; the scales are behind them. */
// @ts-ignore: decorator
@inline
function rowCodes(m: i32, k: i32): usize {
  return <usize>(((m + ROWS - 1) & ~(ROWS - 1)) * pitch(k)) << 1;
}

/** Bytes that `quantizeInt16` fills for X [m,k]. */
export function int16RowsBytes(m: i32, k: i32): i32 {
  return <i32>rowCodes(m, k) + ((((m + ROWS - 1) & ~(ROWS - 1)) * blocksOf(k)) << 2);
}

/** Rows of the codes of a weight: so many that their pairs are even. */
// @ts-ignore: decorator
@inline
function heightOf(rows: i32): i32 {
  return (rows + 3) & ~3;
}

/** Bytes of the codes of a weight; the scales of its squares are behind them. */
// @ts-ignore: decorator
@inline
function weightCodes(rows: i32, columns: i32): usize {
  return <usize>(heightOf(rows) * pitch(columns)) << 1;
}

/** Bytes that `packInt16` fills for a weight. */
export function int16WeightBytes(rows: i32, columns: i32): i32 {
  return <i32>weightCodes(rows, columns) + ((blocksOf(rows) * blocksOf(columns)) << 2);
}

/** Bytes of scratch of `int16Product`; constant. */
export function int16ProductScratch(): i32 {
  return <i32>SUMS + (COLUMNS << 1) * DEPTH + ((DEPTH / BLOCK) << 2);
}

/** Bytes of scratch of `quantizeInt16`. */
export function quantizeInt16Scratch(k: i32): i32 {
  return (ROWS << 1) * pitch(k);
}

/** The bits of the largest magnitude of some floats, and `before`; those of NaN are larger. */
function largestBits(x: usize, count: i32, before: i32): i32 {
  const magnitude = i32x4.splat(0x7fffffff);
  let most = i32x4.splat(before);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    most = i32x4.max_s(most, v128.and(v128.load(x), magnitude));
    x += 16;
  }
  let all = max(
    max(i32x4.extract_lane(most, 0), i32x4.extract_lane(most, 1)),
    max(i32x4.extract_lane(most, 2), i32x4.extract_lane(most, 3)),
  );
  for (; i < count; i++) {
    all = max(all, load<i32>(x) & 0x7fffffff);
    x += 4;
  }
  return all;
}

/** The factor that makes codes of numbers; 0 where the scale is too small to have one. */
// @ts-ignore: decorator
@inline
function factorOf(scale: f32): f32 {
  const factor: f32 = 1 / scale;
  return factor < Infinity ? factor : 0;
}

/** Writes floats times `factor` as codes, rounded to nearest, ties to even. */
function encode(x: usize, count: i32, factor: f32, codes: usize): void {
  const factors = f32x4.splat(factor);
  let i = 0;
  for (; i + 8 <= count; i += 8) {
    const a = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x), factors)));
    const b = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x, 16), factors)));
    v128.store(codes, i16x8.narrow_i32x4_s(a, b));
    x += 32;
    codes += 16;
  }
  for (; i < count; i++) {
    store<i16>(codes, <i16>nearest<f32>(load<f32>(x) * factor));
    x += 4;
    codes += 2;
  }
}

/** True for the bits of a magnitude that is infinite or NaN. */
// @ts-ignore: decorator
@inline
function isNotFinite(bits: i32): bool {
  return bits >= 0x7f800000;
}

/**
 * Writes the codes of X [m,k]: four rows side by side, a pair of each by turns, and their scales by
 * blocks. `scratch` is room for the codes of four rows. Returns 1 if a number is not finite.
 */
export function quantizeInt16(x: usize, out: usize, m: i32, k: i32, scratch: usize): i32 {
  const blocks = blocksOf(k);
  const width = pitch(k);
  const wrs = <usize>width << 1;
  let scales = out + rowCodes(m, k);
  let bad = 0;
  for (let top = 0; top < m; top += ROWS) {
    for (let r = 0; r < ROWS; r++) {
      const codes = scratch + <usize>r * wrs;
      memory.fill(codes, 0, wrs);
      for (let b = 0; b < blocks; b++) {
        const from = b * BLOCK;
        const count = min(BLOCK, k - from);
        const at = x + (<usize>((top + r) * k + from) << 2);
        const bits = top + r < m ? largestBits(at, count, 0) : 0;
        if (isNotFinite(bits)) bad = 1;
        const scale = f32.reinterpret_i32(bits) / LARGEST_X;
        store<f32>(scales + (<usize>b << 4) + (<usize>r << 2), scale);
        if (bits != 0) encode(at, count, factorOf(scale), codes + (<usize>from << 1));
      }
    }
    packFour(scratch, scratch + wrs, scratch + 2 * wrs, scratch + 3 * wrs, width >> 1, out, 16);
    out += wrs << 2;
    scales += <usize>blocks << 4;
  }
  return bad;
}

/** Writes the pairs of four rows of codes by turns, 16 bytes every `step` bytes. */
function packFour(r0: usize, r1: usize, r2: usize, r3: usize, pairs: i32, to: usize, step: usize): void {
  for (; pairs > 0; pairs -= 4) {
    const a = v128.load(r0);
    const b = v128.load(r1);
    const c = v128.load(r2);
    const d = v128.load(r3);
    const ab0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
    const ab1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
    const cd0 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
    const cd1 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<i64>(ab0, cd0, 0, 2));
    v128.store(to + step, v128.shuffle<i64>(ab0, cd0, 1, 3));
    v128.store(to + 2 * step, v128.shuffle<i64>(ab1, cd1, 0, 2));
    v128.store(to + 3 * step, v128.shuffle<i64>(ab1, cd1, 1, 3));
    r0 += 16;
    r1 += 16;
    r2 += 16;
    r3 += 16;
    to += step << 2;
  }
}

/** Writes the codes of a weight [rows,columns]. Returns 1 if a number is not finite. */
export function packInt16(w: usize, out: usize, rows: i32, columns: i32): i32 {
  const width = pitch(columns);
  const across = blocksOf(columns);
  const scales = out + weightCodes(rows, columns);
  const wrs = <usize>columns << 2;
  let bad = 0;
  for (let top = 0; top < rows; top += BLOCK) {
    const height = min(BLOCK, rows - top);
    for (let b = 0; b < across; b++) {
      const from = b * BLOCK;
      const count = min(BLOCK, columns - from);
      const corner = w + <usize>top * wrs + (<usize>from << 2);
      let bits = 0;
      for (let r: usize = 0; r < <usize>height; r++) bits = largestBits(corner + r * wrs, count, bits);
      if (isNotFinite(bits)) bad = 1;
      const scale = f32.reinterpret_i32(bits) / LARGEST_W;
      store<f32>(scales + (<usize>((top / BLOCK) * across + b) << 2), scale);
      const factor = factorOf(scale);
      for (let r = 0; r < height; r++) {
        const codes = out + (<usize>((top + r) * width + from) << 1);
        encode(corner + <usize>r * wrs, count, factor, codes);
      }
    }
    for (let r = top; r < top + height; r++) {
      for (let j = columns; j < width; j++) store<i16>(out + (<usize>(r * width + j) << 1), 0);
    }
  }
  memory.fill(out + (<usize>(rows * width) << 1), 0, <usize>((heightOf(rows) - rows) * width) << 1);
  return bad;
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

/** Copies the sums of a tile's rows and columns that are there. */
function putSums(sums: usize, c: usize, crs: usize, rows: i32, columns: i32): void {
  for (; rows > 0; rows--) {
    storePart(c, v128.load(sums), columns);
    if (columns > 4) storePart(c + 16, v128.load(sums, 16), columns - 4);
    sums += 32;
    c += crs;
  }
}

/** Loads what the sums of a tile were before. */
function takeSums(sums: usize, c: usize, crs: usize, rows: i32, columns: i32): void {
  const zero = f32x4.splat(0);
  for (; rows > 0; rows--) {
    v128.store(sums, loadPart(c, columns, zero));
    v128.store(sums, columns > 4 ? loadPart(c + 16, columns - 4, zero) : zero, 16);
    sums += 32;
    c += crs;
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

/** The address of the scales of X [m,k] whose codes `quantizeInt16` left at `x`. */
export function int16RowScales(x: usize, m: i32, k: i32): usize {
  return x + rowCodes(m, k);
}

/** The address of the codes of a weight's row; `row` begins a block. */
export function int16WeightRow(w: usize, row: i32, columns: i32): usize {
  return w + (<usize>(row * pitch(columns)) << 1);
}

/** The address of the scales of a weight's squares from a row on. */
export function int16WeightScales(w: usize, rows: i32, columns: i32, row: i32): usize {
  return w + weightCodes(rows, columns) + (<usize>((row / BLOCK) * blocksOf(columns)) << 2);
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
