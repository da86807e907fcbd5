// Rows of floats as codes of 8 bits with a scale for each 32, and of 15 bits if one of a tile's four rows has an
// outlier: an outlier makes the steps of 8-bit codes too wide for the other elements of its row. A part of onDemand.ts.
import { anyTooLarge, BYTES, encodeBlock, largestOfFour, putEncoding, rowsThere, WORDS } from "./encodeRows";
import { INT8_ROWS } from "./rowCodes";

/** An element is an outlier if its square is more than this many times the mean square of its row. */
const OUTLIER: f32 = 16;

/** Bytes of the 8-bit codes of a block of 32 elements in a tile of four rows. */
const NARROW: usize = 128;
/** Size in bytes of the 15-bit codes of a block of 32 elements in a tile of four rows. */
const WIDE: usize = 256;
/** Size in bytes of the scales and scaled sums of a block of 32 elements in a tile of four rows. */
const PAIRS: usize = 32;
/** Size in bytes of the flag of a block in a tile of four rows. It marks blocks with 15-bit codes. */
const FLAG: usize = 4;

/** Returns the size in bytes of one tile of four rows, where each row has `blocks` blocks. */
// @ts-ignore: decorator
@inline
export function mixedTile(blocks: i32): usize {
  return <usize>blocks * (NARROW + WIDE + PAIRS + FLAG);
}

/**
 * Returns the address of a tile's 15-bit codes. Each block holds them as 16-bit words, or as two planes of bytes, one
 * after the other.
 */
// @ts-ignore: decorator
@inline
export function mixedWide(tile: usize, blocks: i32): usize {
  return tile + <usize>blocks * NARROW;
}

/** Returns the address of a tile's scales and scaled sums. */
// @ts-ignore: decorator
@inline
export function mixedPairs(tile: usize, blocks: i32): usize {
  return mixedWide(tile, blocks) + <usize>blocks * WIDE;
}

/** Returns the address of a tile's flags, one per block: not 0 if the block uses 15-bit codes. */
// @ts-ignore: decorator
@inline
export function mixedFlags(tile: usize, blocks: i32): usize {
  return mixedPairs(tile, blocks) + <usize>blocks * PAIRS;
}

/**
 * Returns the size in bytes of the memory that `quantizeMixed` writes to. After the result, it includes scratch for the
 * 15-bit codes of one block as words, before they are split into planes.
 */
export function mixedRowsBytes(rows: i32, k: i32): i32 {
  return <i32>tilesOf(rows, k >> 5) + <i32>WIDE;
}

/** Returns the size in bytes of all tiles for `rows` rows of `blocks` blocks each. */
// @ts-ignore: decorator
@inline
function tilesOf(rows: i32, blocks: i32): usize {
  return <usize>((rows + INT8_ROWS - 1) / INT8_ROWS) * mixedTile(blocks);
}

/** Returns the limit for a row of k floats (a multiple of 8): an element whose square is larger is an outlier. */
function limitOf(x: usize, k: i32): f32 {
  let a = f32x4.splat(0);
  let b = a;
  for (const end = x + (<usize>k << 2); x < end; x += 32) {
    const low = v128.load(x);
    const high = v128.load(x, 16);
    a = f32x4.add(a, f32x4.mul(low, low));
    b = f32x4.add(b, f32x4.mul(high, high));
  }
  a = f32x4.add(a, b);
  const even = f32x4.extract_lane(a, 0) + f32x4.extract_lane(a, 1);
  return (OUTLIER * (even + (f32x4.extract_lane(a, 2) + f32x4.extract_lane(a, 3)))) / <f32>k;
}

/** Splits the 16-bit codes of a block into two planes: the lower 7 bits and the upper 8 bits. */
function splitWords(words: usize, planes: usize): void {
  const seven = i16x8.splat(127);
  for (const end = words + WIDE; words < end; words += 32) {
    const first = v128.load(words);
    const second = v128.load(words, 16);
    const a = v128.shuffle<i32>(first, second, 0, 4, 1, 5);
    const b = v128.shuffle<i32>(first, second, 2, 6, 3, 7);
    v128.store(planes, i8x16.narrow_i16x8_s(v128.and(a, seven), v128.and(b, seven)));
    v128.store(planes, i8x16.narrow_i16x8_s(i16x8.shr_s(a, 7), i16x8.shr_s(b, 7)), NARROW);
    planes += 16;
  }
}

/**
 * Quantises x [rows, k], where k is a multiple of 32, in tiles of INT8_ROWS rows; the last tile is padded with zeros. A
 * block has 32 elements of each of a tile's rows. If one of them is an outlier, the block gets the 15-bit codes of
 * `quantizeInt15`, otherwise the 8-bit codes of `quantizeInt8`. 15-bit codes are stored as 16-bit words if `inWords` is
 * 1, otherwise in two planes of bytes. Returns 1 if a value is too large for codes, otherwise 0.
 */
export function quantizeMixed(x: usize, out: usize, rows: i32, k: i32, inWords: i32): i32 {
  const blocks = k >> 5;
  const xrs = <usize>k << 2;
  const words = out + tilesOf(rows, blocks);
  putEncoding(words);
  const magnitude = v128.load32_splat(words);
  const rounder = v128.load32_splat(words, 4);
  let all = i32x4.splat(0);
  for (; rows > 0; rows -= INT8_ROWS) {
    // A missing row is read from another row and multiplied by 0.
    const there = rowsThere(rows);
    let x1 = x + <usize>min(1, rows - 1) * xrs;
    let x2 = x + <usize>min(2, rows - 1) * xrs;
    let x3 = x + <usize>min(3, rows - 1) * xrs;
    const next = x3 + xrs;
    const limits = f32x4(limitOf(x, k), limitOf(x1, k), limitOf(x2, k), limitOf(x3, k));
    let code = out;
    let wide = mixedWide(out, blocks);
    let pair = mixedPairs(out, blocks);
    let flag = mixedFlags(out, blocks);
    for (const end = x + xrs; x < end; x += 128) {
      const most = v128.and(largestOfFour(x, x1, x2, x3, magnitude), there);
      all = i32x4.max_s(all, most);
      const isWide = v128.any_true(f32x4.gt(f32x4.mul(most, most), limits));
      store<u32>(flag, isWide ? 1 : 0);
      if (isWide) {
        encodeBlock(WORDS, x, x1, x2, x3, most, rounder, inWords ? wide : words, pair);
        if (!inWords) splitWords(words, wide);
      } else {
        encodeBlock(BYTES, x, x1, x2, x3, most, rounder, code, pair);
      }
      code += NARROW;
      wide += WIDE;
      pair += PAIRS;
      flag += FLAG;
      x1 += 128;
      x2 += 128;
      x3 += 128;
    }
    x = next;
    out += mixedTile(blocks);
  }
  return anyTooLarge(all) ? 1 : 0;
}
