// Products whose left operand is packed once for many right operands.
import { F32 } from "../formats/dtypes.gen";
import { B_IN_PLACE, gemmBlocked, KC, NC, operandsInPlace } from "./gemmBlock";
import { gemmLarge, largeRows, packLargeRows } from "./gemmLarge";
import { scratch, TILE_MR_8, tileKind } from "../simd/gemmState";

/** The most rows of a panel. */
export const MOST_PANEL_ROWS: i32 = 8;

/** Rows of a panel. */
export function panelRows(): i32 {
  return largeRows(tileKind());
}

/**
 * Packs up to `panelRows()` rows of k floats, `ars` bytes apart, as one panel
 * of k * panelRows() floats.
 */
export function packPanelRows(src: usize, ars: usize, dst: usize, rows: i32, k: i32): void {
  packLargeRows(tileKind(), src, ars, 4, dst, k, rows);
}

/** True if one block of B holds all of B[k, n]. */
// @ts-ignore: decorator
@inline
export function fitsBlock(n: i32, k: i32): bool {
  return n <= NC && k <= KC;
}

/**
 * C[m,n] (+)= A * op(W) for A[m,k] in consecutive panels and W the rows of a weight from element `start` on, as in
 * `gemmWeight`. The packed block of W is stored at `block`, or in the scratch memory if `block` is 0. `again` means
 * that the previous product had the same W and `block`; its packed W is reused if one block holds W.
 */
export function multiplyPanels(
  panels: usize, w: usize, format: i32, start: i32, c: usize, m: i32, n: i32, k: i32, transposed: bool, accumulate: bool,
  block: usize, again: bool,
): void {
  const ldw = <usize>(transposed ? k : n) << 2;
  const ldc = <usize>n << 2;
  if (format == F32) w += <usize>start << 2;
  const inPlace = operandsInPlace(format, m, n, k, false, transposed, 1);
  const kind = tileKind();
  const packed = again && fitsBlock(n, k) && !(inPlace & B_IN_PLACE);
  if (kind != TILE_MR_8) {
    gemmLarge(kind, panels, w, format, start, c, m, n, k, 0, ldw, ldc, false, transposed, true, inPlace, 1, accumulate, scratch, block, packed);
  } else {
    gemmBlocked(panels, w, format, start, c, m, n, k, 0, ldw, ldc, false, transposed, true, inPlace, 1, accumulate, scratch, block, packed);
  }
}
