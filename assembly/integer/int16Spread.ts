// Detects squares of a weight that 16-bit codes would represent badly. One scale serves all elements of a square, so a
// row or a column that is much smaller than the largest element keeps few of its bits.
import { BLOCK, largestBits, LARGEST_W, lostCodes } from "./int16Codes";
import { loadPart } from "../simd/lanes";

/**
 * Limit for a square block of a weight that is multiplied with integer codes. The largest magnitude of the block may be
 * at most this many times as large as the largest magnitude of each of its rows and columns. Rows and columns of zeros
 * do not count.
 */
const WIDEST: f32 = 64;

/** A square of a weight gets no integer codes if its largest magnitude is below this value, unless it is 0. */
const SMALLEST: f32 = 1e-24;

/** At most one in this many elements of a square may round to the code 0. */
const LOST: i32 = 10;

/** Bytes of scratch for `markWideSquares`, which stores the largest element of each column there. */
export const SPREAD_SCRATCH: usize = <usize>BLOCK << 2;

/** Returns true if a magnitude is smaller than `floor`, but not 0. */
// @ts-ignore: decorator
@inline
function isLow(bits: i32, floor: f32): bool {
  return bits != 0 && f32.reinterpret_i32(bits) < floor;
}

/**
 * Returns true if a square of a weight has too wide a range of values for codes, so that it must stay in f32. Its
 * `height` rows are `wrs` bytes apart.
 */
function isWide(w: usize, wrs: usize, height: i32, width: i32, columns: usize): bool {
  const magnitude = i32x4.splat(0x7fffffff);
  memory.fill(columns, 0, SPREAD_SCRATCH);
  for (let r = 0; r < height; r++) {
    const row = w + <usize>r * wrs;
    for (let j = 0; j < width; j += 4) {
      const at = <usize>j << 2;
      const x = v128.and(loadPart(row + at, width - j, i32x4.splat(0)), magnitude);
      v128.store(columns + at, i32x4.max_s(v128.load(columns + at), x));
    }
  }
  const most = f32.reinterpret_i32(largestBits(columns, BLOCK, 0));
  if (most == 0) return false;
  if (most < SMALLEST) return true;
  const floor = most / WIDEST;
  for (let j = 0; j < width; j++) if (isLow(load<i32>(columns + (<usize>j << 2)), floor)) return true;
  const half = most / (2 * LARGEST_W);
  let lost = 0;
  for (let r = 0; r < height; r++) {
    const row = w + <usize>r * wrs;
    if (isLow(largestBits(row, width, 0), floor)) return true;
    lost += lostCodes(row, width, half);
  }
  return LOST * lost > height * width;
}

/**
 * Writes one byte for each 64 x 64 square of f32 rows of a weight: 1 if the square must stay in f32, else 0. The first
 * row must be the start of a square. Returns the number of squares with 1.
 */
export function markWideSquares(w: usize, rows: i32, columns: i32, marks: usize, scratch: usize): i32 {
  const wrs = <usize>columns << 2;
  let count = 0;
  for (let top = 0; top < rows; top += BLOCK) {
    for (let from = 0; from < columns; from += BLOCK) {
      const wide = isWide(w + (<usize>from << 2), wrs, min(BLOCK, rows - top), min(BLOCK, columns - from), scratch);
      store<u8>(marks++, wide ? 1 : 0);
      if (wide) count++;
    }
    w += wrs * BLOCK;
  }
  return count;
}
