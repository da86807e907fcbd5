// C[m,n] = X[m,k] times a weight in the codes of `packInt8`.
import { Q4_COLUMNS, Q4_PANEL } from "../tiles/panels";
import { int8Tile } from "../tiles/int8Tile";
import { INT8_ROWS, int8RowBytes } from "../rowCodes";
import { clearSums, putSums } from "../tiles/tileSums";

/**
 * Computes the columns first..last-1 of C for m > 1 rows of X from `quantizeInt8`, whose codes are one byte each, and a
 * weight from `packInt8`. `first` is a multiple of eight.
 */
export function int8Product(
  x: usize, panels: usize, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32, scratch: usize,
): void {
  const blocks = k >> 5;
  const xrs = int8RowBytes(k, 1);
  const plane = <usize>(INT8_ROWS * k);
  const crs = <usize>n << 2;
  for (let j = first; j < last; j += Q4_COLUMNS) {
    const panel = panels + <usize>(j / Q4_COLUMNS * blocks) * Q4_PANEL;
    for (let i = 0; i < m; i += INT8_ROWS) {
      const tile = x + <usize>i * xrs;
      clearSums(scratch);
      int8Tile(false, tile, tile + plane, panel, blocks, scratch);
      putSums(scratch, c + <usize>i * crs + (<usize>j << 2), crs, min(INT8_ROWS, m - i), min(Q4_COLUMNS, last - j));
    }
  }
}
