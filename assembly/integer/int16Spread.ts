// Detects squares of a weight that 16-bit codes would represent badly. One scale serves all elements of a square, so a
// row or a column that is much smaller than the largest element keeps few of its bits.
import { BLOCK, largestBits, LARGEST_W, lostCodes } from "./int16Codes";
import { loadPart } from "../simd/lanes";

/** The largest element of a square may be this many times the largest element of any row or column. */
const WIDEST: f32 = 64;

/** A square gets codes only if its largest element is above this, far from the smallest floats. */
const SMALLEST: f32 = 1e-24;

/** At most 1 / LOST of a square may get the code 0. */
const LOST: i32 = 10;

/** Bytes of scratch of `markWideSquares`: the largest element of each column. */
export const SPREAD_SCRATCH: usize = <usize>BLOCK << 2;

/** True if a magnitude is not 0, but smaller than `floor`. */
// @ts-ignore: decorator
@inline
function isLow(bits: i32, floor: f32): bool {
  return bits != 0 && f32.reinterpret_i32(bits) < floor;
}

/** True if a square of `height` rows, `wrs` bytes apart, and `width` columns must stay in f32. */
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
 * Writes a byte for each square of rows of a weight [rows,columns] in f32, whose first row begins a square: 1 if the
 * square must stay in f32. Returns the number of such squares.
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
