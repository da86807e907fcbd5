// Rows of floats as bytes with a scale for each 32, like llama.cpp's Q8_1 blocks, for integer products.
import { INT8_ROWS, int8RowBytes, rounded, storeLanes, topOfBlock } from "../rowCodes";

/**
 * Returns the size in bytes of `rows` quantised rows of k values, padded to whole tiles of rows. `planes` is the number
 * of 8-bit codes that are stored for each value: 1 for `quantizeInt8`, 2 for `quantizeInt15`.
 */
export function int8RowsBytes(rows: i32, k: i32, planes: i32): i32 {
  return ((rows + INT8_ROWS - 1) & ~(INT8_ROWS - 1)) * <i32>int8RowBytes(k, planes);
}

/**
 * Constants that are loaded before a loop, since V8 would build them again at each use: a mask that clears the sign
 * bit, and 1.5 * 2^23. Adding 1.5 * 2^23 to a value below 2^22 rounds the value to an integer, ties to even; the
 * integer is in the low bits of the sum.
 */
const CONSTANTS: usize = memory.data<u32>([0x7fffffff, 0x4b400000]);

/** Rounds 16 floats times `factor` to signed bytes. */
// @ts-ignore: decorator
@inline
function toBytes(x: usize, factor: v128, rounder: v128): v128 {
  const low = i16x8.narrow_i32x4_s(rounded(x, factor, rounder), rounded(x + 16, factor, rounder));
  const high = i16x8.narrow_i32x4_s(rounded(x + 32, factor, rounder), rounded(x + 48, factor, rounder));
  return i8x16.narrow_i16x8_s(low, high);
}

/** Returns the sum of 32 signed bytes. */
// @ts-ignore: decorator
@inline
function byteSum(a: v128, b: v128): i32 {
  const pairs = i16x8.add(i16x8.extadd_pairwise_i8x16_s(a), i16x8.extadd_pairwise_i8x16_s(b));
  const sums = i32x4.extadd_pairwise_i16x8_s(pairs);
  const halves = i32x4.add(sums, v128.shuffle<i32>(sums, sums, 2, 3, 0, 1));
  return i32x4.extract_lane(halves, 0) + i32x4.extract_lane(halves, 1);
}

/**
 * Writes 16 codes. With one plane they are signed bytes; with two planes, the lower seven bits are at `dst` and the
 * sign bits `plane` bytes later.
 */
// @ts-ignore: decorator
@inline
function storeCodes(dst: usize, step: usize, codes: v128, plane: usize, planes: i32): void {
  if (planes == 1) {
    storeLanes(dst, step, codes);
    return;
  }
  storeLanes(dst, step, v128.and(codes, i8x16.splat(127)));
  storeLanes(dst + plane, step, i8x16.shr_u(codes, 7));
}

/**
 * Quantises x [rows, k], where k is a multiple of 32, to 8 bits, and returns the bit pattern of its largest magnitude.
 * A block of 32 elements has a scale, its largest magnitude / 127, and a scaled sum: the scale times the sum of its
 * codes. With `planes` 1, a code is one signed byte. With `planes` 2, its low seven bits and its sign bit are stored in
 * separate planes (code = low - 128 sign), so that both parts fit the 7-bit operand of relaxed dot products. A single
 * row is written in order. Several rows are written in tiles of INT8_ROWS rows, padded with zeros: four codes of each
 * row alternate, and so do the rows' scales and sums. A tile has the size of INT8_ROWS rows of `int8RowBytes`.
 */
export function quantizeInt8(x: usize, out: usize, rows: i32, k: i32, planes: i32): i32 {
  const height = rows == 1 ? 1 : INT8_ROWS;
  const tile = <usize>height * int8RowBytes(k, planes);
  const plane = <usize>(height * k);
  const step = <usize>(4 * height);
  const magnitude = v128.load32_splat(CONSTANTS);
  const rounder = v128.load32_splat(CONSTANTS, 4);
  let largest = 0;
  if (rows % height) memory.fill(out + <usize>(rows / height) * tile, 0, tile);
  for (let row = 0; row < rows; row++) {
    const within = <usize>(row % height);
    const codes = out + <usize>(row / height) * tile;
    let code = codes + 4 * within;
    let pair = codes + <usize>planes * plane + 8 * within;
    for (let i = 0; i < k; i += 32) {
      const bits = topOfBlock(x, magnitude);
      largest = max(largest, bits);
      const most = reinterpret<f32>(bits);
      const factor = f32x4.splat(most == 0 ? 0 : 127 / most);
      const low = toBytes(x, factor, rounder);
      const high = toBytes(x + 64, factor, rounder);
      storeCodes(code, step, low, plane, planes);
      storeCodes(code + 4 * step, step, high, plane, planes);
      const scale = most / 127;
      store<f32>(pair, scale);
      store<f32>(pair, scale * <f32>byteSum(low, high), 4);
      code += 8 * step;
      pair += 2 * step;
      x += 128;
    }
  }
  return largest;
}
