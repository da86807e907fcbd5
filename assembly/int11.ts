// Rows of floats as codes of 11 bits and a sign, with a scale for each 32: what `nibbleProduct`
// takes. Times a weight's scale in as many bits they are codes of 8 bits. A part of onDemand.ts.
import { ELEVEN, encodeRows, largestCode } from "./encodeRows";
import { INT8_ROWS } from "./rowCodes";

/** The largest code: its square, by 2^15, is 127. */
export const LARGEST: f32 = largestCode(ELEVEN);

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

/**
 * Quantises x [rows, k], k a multiple of 32, in tiles of INT8_ROWS rows, the last filled up with
 * zeros: four codes of each row lie side by side. Returns 1 if a number is too large.
 */
export function quantizeInt11(x: usize, out: usize, rows: i32, k: i32): i32 {
  return encodeRows(ELEVEN, x, out, rows, k);
}
