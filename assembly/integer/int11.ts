// Rows of floats as codes of 11 bits and a sign, with a scale for each 32: the input of `nibbleProduct`. Multiplied by
// a weight's scale in 11 bits they become codes of 8 bits. A part of onDemand.ts.
import { ELEVEN, encodeRows, largestCode } from "./encodeRows";
import { INT8_ROWS } from "./rowCodes";

/** The largest 11-bit code. Its square, shifted right by 15, is 127, the largest byte. */
export const LARGEST: f32 = largestCode(ELEVEN);

/**
 * Returns the size in bytes of the codes of a tile, which holds INT8_ROWS rows of k elements. The scales follow the
 * codes: for each block of 32 elements, one scale per row.
 */
// @ts-ignore: decorator
@inline
export function int11Codes(k: i32): usize {
  return <usize>(2 * INT8_ROWS * k);
}

/** Returns the size in bytes of a tile, which holds the codes and scales of INT8_ROWS rows of k elements. */
// @ts-ignore: decorator
@inline
export function int11Tile(k: i32): usize {
  return int11Codes(k) + <usize>(k >> 5) * 16;
}

/** Returns the size in bytes of the result of `quantizeInt11`. */
export function int11RowsBytes(rows: i32, k: i32): i32 {
  return ((rows + INT8_ROWS - 1) / INT8_ROWS) * <i32>int11Tile(k);
}

/**
 * Quantises x [rows, k], where k is a multiple of 32, to 11-bit codes. The result consists of tiles of INT8_ROWS rows;
 * the last tile is padded with zeros. Within a tile, four codes of each row alternate. Returns 1 if a value is too
 * large for codes, otherwise 0.
 */
export function quantizeInt11(x: usize, out: usize, rows: i32, k: i32): i32 {
  return encodeRows(ELEVEN, x, out, rows, k);
}
