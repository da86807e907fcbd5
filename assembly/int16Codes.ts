// Numbers as 16-bit codes. X has codes of 13 bits, and a scale for each row and 64 numbers along
// the contraction. W has codes of 14 bits, and a scale for each square of 64 x 64, so that one
// copy serves both directions. The sum of 64 products of such codes fits 32 bits and is exact.
import { storeTransposed } from "./lanes";

/** Numbers that share a scale along a side. */
export const BLOCK: i32 = 64;

/** The largest codes of X and of W: 64 times their product is below 2^31. */
const LARGEST_X: f32 = 4095;
const LARGEST_W: f32 = 8191;

/** Rows of X whose codes lie side by side. */
export const ROWS: i32 = 4;

/** Blocks of a side. */
// @ts-ignore: decorator
@inline
export function blocksOf(length: i32): i32 {
  return (length + BLOCK - 1) / BLOCK;
}

/** Codes of a row, which are packed eight at a time. */
// @ts-ignore: decorator
@inline
export function pitch(length: i32): i32 {
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
export function heightOf(rows: i32): i32 {
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

/** Bytes of scratch of `quantizeInt16`. */
export function quantizeInt16Scratch(k: i32): i32 {
  return (ROWS << 1) * pitch(k);
}

/** The bits of the largest magnitude of some floats, and `before`; those of NaN are larger. */
export function largestBits(x: usize, count: i32, before: i32): i32 {
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
export function isNotFinite(bits: i32): bool {
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
export function packFour(r0: usize, r1: usize, r2: usize, r3: usize, pairs: i32, to: usize, step: usize): void {
  for (; pairs > 0; pairs -= 4) {
    storeTransposed(v128.load(r0), v128.load(r1), v128.load(r2), v128.load(r3), to, step);
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

/**
 * The share of numbers that are not zero and get the code 0, of X [rows,columns] where `height` is
 * 1, and of a weight where it is 64.
 */
export function int16LostShare(x: usize, rows: i32, columns: i32, height: i32): f64 {
  const steps: f32 = 2 * (height == 1 ? LARGEST_X : LARGEST_W);
  let lost = 0;
  for (let top = 0; top < rows; top += height) {
    const end = min(top + height, rows);
    for (let from = 0; from < columns; from += BLOCK) {
      const count = min(BLOCK, columns - from);
      let bits = 0;
      for (let r = top; r < end; r++) bits = largestBits(x + (<usize>(r * columns + from) << 2), count, bits);
      const half = f32.reinterpret_i32(bits) / steps;
      for (let r = top; r < end; r++) {
        for (let j = from; j < from + count; j++) {
          const size = abs(load<f32>(x + (<usize>(r * columns + j) << 2)));
          if (size > 0 && size < half) lost++;
        }
      }
    }
  }
  return <f64>lost / (<f64>rows * <f64>columns);
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
