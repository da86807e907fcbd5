// Rows of floats as codes of 11 bits and a sign, with a scale for each 32: what `nibbleProduct`
// takes. Times a weight's scale in as many bits they are codes of 8 bits. A part of onDemand.ts.
import { INT8_ROWS, rounded, topOfBlock } from "./rowCodes";

/** The largest code: its square, by 2^15, is 127. */
export const LARGEST: f32 = 2040;

/** Bytes of the codes of a tile of rows; the scales of its blocks, one of each row, are behind. */
// @ts-ignore: decorator
@inline
export function int11Codes(k: i32): usize {
  return <usize>(2 * INT8_ROWS * k);
}

/** Bytes of a tile of rows of k numbers. */
// @ts-ignore: decorator
@inline
export function int11Tile(k: i32): usize {
  return int11Codes(k) + <usize>(k >> 5) * 16;
}

/** Bytes that `quantizeInt11` fills. */
export function int11RowsBytes(rows: i32, k: i32): i32 {
  return ((rows + INT8_ROWS - 1) / INT8_ROWS) * <i32>int11Tile(k);
}

/** Writes eight codes: four, and four of the next group. */
// @ts-ignore: decorator
@inline
function storeEight(x: usize, factor: v128, rounder: v128, to: usize): void {
  const codes = i16x8.narrow_i32x4_s(rounded(x, factor, rounder), rounded(x + 16, factor, rounder));
  v128.store64_lane(to, codes, 0);
  v128.store64_lane(to, codes, 1, 32);
}

/**
 * Quantises x [rows, k], k a multiple of 32, in tiles of INT8_ROWS rows, the last filled up with
 * zeros: four codes of each row lie side by side. Returns 1 if a number is not finite.
 */
export function quantizeInt11(x: usize, out: usize, rows: i32, k: i32): i32 {
  const tile = int11Tile(k);
  const magnitude = i32x4.splat(0x7fffffff);
  // 1.5 * 2^23: `rounded` adds it.
  const rounder = i32x4.splat(0x4b400000);
  let largest = 0;
  if (rows % INT8_ROWS) memory.fill(out + <usize>(rows / INT8_ROWS) * tile, 0, tile);
  for (let row = 0; row < rows; row++) {
    const within = <usize>(row % INT8_ROWS);
    const codes = out + <usize>(row / INT8_ROWS) * tile;
    let code = codes + 8 * within;
    let scale = codes + int11Codes(k) + 4 * within;
    for (let i = 0; i < k; i += 32) {
      const bits = topOfBlock(x, magnitude);
      largest = max(largest, bits);
      const step = reinterpret<f32>(bits) / LARGEST;
      const inverse: f32 = 1 / step;
      const factor = f32x4.splat(inverse < Infinity ? inverse : 0);
      storeEight(x, factor, rounder, code);
      storeEight(x + 32, factor, rounder, code + 64);
      storeEight(x + 64, factor, rounder, code + 128);
      storeEight(x + 96, factor, rounder, code + 192);
      store<f32>(scale, step);
      code += 256;
      scale += 16;
      x += 128;
    }
  }
  return largest >= 0x7f800000 ? 1 : 0;
}
