// nf4 and fp4 weights in integer products, with their values in a table of 7-bit integers; 63 represents zero. The
// error of a value relative to its block's largest magnitude is at most 0.0065 for nf4, and 0.0053 for fp4, where only
// one value has an error.
import { dotBytes, laneSums, withQ4 } from "../tiles/byteProducts";
import { Q4_COLUMNS, Q4_PANEL } from "../tiles/panels";
import { storeTransposed, zipHigh, zipLow } from "../../simd/lanes";
import { rowGroups, rowOfGroup, storeGroup } from "../../simd/rowOrder";
import { codesFrom, fourBitScale, fourBitScales, lookup, nibbleMask } from "../../formats/unpackFourBit";

const NF4_BYTES: usize = memory.data<u8>([0, 19, 30, 38, 45, 51, 57, 63, 68, 73, 79, 84, 91, 99, 109, 126], 16);
const FP4_BYTES: usize = memory.data<u8>([63, 63, 95, 111, 79, 87, 71, 75, 63, 63, 31, 15, 47, 39, 55, 51], 16);

/** Number of integer steps from the value 0 to the value 1 in nf4's table of integers. */
const NF4_STEPS: f32 = 63.35;
/** Number of integer steps from the value 0 to the value 1 in fp4's table of integers. */
const FP4_STEPS: f32 = 48;
/** The integer that stands for the value 0 in both tables. */
const ZERO: f32 = 63;

/** Returns the 7-bit integers that stand for the values of the sixteen codes. */
// @ts-ignore: decorator
@inline
function tableOf(isFp4: bool): v128 {
  return v128.load(isFp4 ? FP4_BYTES : NF4_BYTES);
}

// @ts-ignore: decorator
@inline
function stepOf(isFp4: bool): v128 {
  return f32x4.splat(1 / (isFp4 ? FP4_STEPS : NF4_STEPS));
}

/** Looks up the integers of the 16 even-numbered elements of 32. Their codes are the high nibbles of 16 bytes. */
// @ts-ignore: decorator
@inline
function evenOf(table: v128, bytes: v128, nibble: v128): v128 {
  return lookup(table, v128.and(i16x8.shr_u(bytes, 4), nibble));
}

// @ts-ignore: decorator
@inline
function oddOf(table: v128, bytes: v128, nibble: v128): v128 {
  return lookup(table, v128.and(bytes, nibble));
}

/**
 * Packs `blocks` * 32 elements of each of `columns` (1 to 8) rows of an nf4 or fp4 weight, in the layout of
 * `packInt8Panel`. Rows are `ld` elements apart, the first from element `start` on. Missing rows repeat the last one.
 */
export function packFourBitPanel(
  base: usize, isFp4: bool, start: i32, ld: i32, columns: i32, blocks: i32, dst: usize,
): void {
  const table = tableOf(isFp4);
  const step = stepOf(isFp4);
  const zero = f32x4.splat(-ZERO);
  const nibble = nibbleMask();
  const shift = ctz(load<i32>(base));
  const last = columns - 1;
  for (let from = 0; from < Q4_COLUMNS; from += 4) {
    let e0 = start + min(from, last) * ld;
    let e1 = start + min(from + 1, last) * ld;
    let e2 = start + min(from + 2, last) * ld;
    let e3 = start + min(from + 3, last) * ld;
    let to = dst + <usize>(from << 2);
    for (let b = 0; b < blocks; b++) {
      const b0 = v128.load(codesFrom(base, e0));
      const b1 = v128.load(codesFrom(base, e1));
      const b2 = v128.load(codesFrom(base, e2));
      const b3 = v128.load(codesFrom(base, e3));
      const even0 = evenOf(table, b0, nibble);
      const even1 = evenOf(table, b1, nibble);
      const even2 = evenOf(table, b2, nibble);
      const even3 = evenOf(table, b3, nibble);
      const odd0 = oddOf(table, b0, nibble);
      const odd1 = oddOf(table, b1, nibble);
      const odd2 = oddOf(table, b2, nibble);
      const odd3 = oddOf(table, b3, nibble);
      storeTransposed(zipLow(even0, odd0), zipLow(even1, odd1), zipLow(even2, odd2), zipLow(even3, odd3), to, 32);
      storeTransposed(
        zipHigh(even0, odd0), zipHigh(even1, odd1), zipHigh(even2, odd2), zipHigh(even3, odd3), to + 128, 32,
      );
      let scales = f32x4.splat(fourBitScale(base, e0 >> shift));
      scales = f32x4.replace_lane(scales, 1, fourBitScale(base, e1 >> shift));
      scales = f32x4.replace_lane(scales, 2, fourBitScale(base, e2 >> shift));
      scales = f32x4.mul(f32x4.replace_lane(scales, 3, fourBitScale(base, e3 >> shift)), step);
      v128.store(to, scales, 256);
      v128.store(to, f32x4.mul(scales, zero), 288);
      e0 += 32;
      e1 += 32;
      e2 += 32;
      e3 += 32;
      to += Q4_PANEL;
    }
  }
}

/**
 * Copies k bytes. In each group of 32, the even-numbered elements come first: this is the order in which codes are
 * looked up.
 */
function splitBytes(x: usize, k: i32, dst: usize): void {
  for (const end = x + <usize>k; x < end; x += 32) {
    const a = v128.load(x);
    const b = v128.load(x, 16);
    v128.store(dst, v128.shuffle<u8>(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30));
    v128.store(dst, v128.shuffle<u8>(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31), 16);
    dst += 32;
  }
}

/** Writes the scales of a row that starts at element `start`, one for each `span` elements. */
function rowScales(base: usize, start: i32, k: i32, span: i32, dst: usize): void {
  const block = load<i32>(base);
  if (span == block) {
    fourBitScales(base, start / block, k / block, dst);
    return;
  }
  for (let p = 0; p < k; p += span) {
    store<f32>(dst, fourBitScale(base, (start + p) / block));
    dst += 4;
  }
}

/**
 * Returns the dot product of 32 4-bit weights (16 bytes at w) and 32 int8 codes at x, as four partial sums. The
 * even-numbered elements of x come first, then the odd ones.
 */
// @ts-ignore: decorator
@inline
function product(x: usize, w: usize, table: v128, nibble: v128): v128 {
  const bytes = v128.load(w);
  const even = dotBytes(v128.load(x), evenOf(table, bytes, nibble), i32x4.splat(0));
  return dotBytes(v128.load(x, 16), oddOf(table, bytes, nibble), even);
}

/** Loads one float for each of four rows, `apart` bytes from each other. */
// @ts-ignore: decorator
@inline
function fourAt(p: usize, apart: usize): v128 {
  const two = v128.load32_lane(p + apart, v128.load32_zero(p), 1);
  return v128.load32_lane(p + 3 * apart, v128.load32_lane(p + 2 * apart, two, 2), 3);
}

/**
 * Computes c[n]: the dot product of each of n weight rows, from row `first` on, with x, a row from `quantizeInt8` with
 * one byte per code. A row has k elements. Terms are added in the order of `int8Tile`, so that both give the same bits.
 * `room` is 3 k / 2 bytes of scratch.
 */
export function fourBitInt8Rows(
  x: usize, base: usize, isFp4: bool, first: i32, c: usize, n: i32, k: i32, room: usize,
): void {
  const table = tableOf(isFp4);
  const step = stepOf(isFp4);
  const zero = f32x4.splat(-ZERO);
  const nibble = nibbleMask();
  const block = load<i32>(base);
  const span = k % block == 0 ? block : 32;
  const apart = <usize>(k / span) << 2;
  const scalesAt = room + <usize>k;
  splitBytes(x, k, room);
  for (let g = 0; g < rowGroups(n); g++) {
    const s0 = (first + <i32>rowOfGroup(g, 0, n)) * k;
    const s1 = (first + <i32>rowOfGroup(g, 1, n)) * k;
    const s2 = (first + <i32>rowOfGroup(g, 2, n)) * k;
    const s3 = (first + <i32>rowOfGroup(g, 3, n)) * k;
    rowScales(base, s0, k, span, scalesAt);
    rowScales(base, s1, k, span, scalesAt + apart);
    rowScales(base, s2, k, span, scalesAt + 2 * apart);
    rowScales(base, s3, k, span, scalesAt + 3 * apart);
    let r0 = codesFrom(base, s0);
    let r1 = codesFrom(base, s1);
    let r2 = codesFrom(base, s2);
    let r3 = codesFrom(base, s3);
    let sums = f32x4.splat(0);
    let xi = room;
    let pair = x + <usize>k;
    let scaleAt = scalesAt;
    for (let p = 0; p < k; p += span) {
      const scales = f32x4.mul(fourAt(scaleAt, apart), step);
      const minima = f32x4.mul(scales, zero);
      for (const end = xi + <usize>span; xi < end; xi += 32) {
        const p0 = product(xi, r0, table, nibble);
        const p1 = product(xi, r1, table, nibble);
        const p2 = product(xi, r2, table, nibble);
        const p3 = product(xi, r3, table, nibble);
        sums = withQ4(sums, laneSums(p0, p1, p2, p3), scales, minima, v128.load32_splat(pair), v128.load32_splat(pair, 4));
        r0 += 16;
        r1 += 16;
        r2 += 16;
        r3 += 16;
        pair += 8;
      }
      scaleAt += 4;
    }
    storeGroup(c, g, n, sums);
  }
}
