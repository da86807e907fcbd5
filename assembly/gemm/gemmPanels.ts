// Products whose left operand is packed once for many right operands.
import { F32 } from "../formats/dtypes.gen";
import { B_IN_PLACE, gemmBlocked, KC, NC, operandsInPlace } from "./gemmBlock";
import { gemmLarge, largeRows, packLargeRows } from "./gemmLarge";
import { scratch, TILE_MR_8, tileKind } from "../simd/gemmState";

/** Maximum number of rows of A that a panel can hold. */
export const MOST_PANEL_ROWS: i32 = 8;

/** Returns the number of rows of A in a panel; it depends on the selected tile. */
export function panelRows(): i32 {
  return largeRows(tileKind());
}

/**
 * Packs up to `panelRows()` rows of k floats, which are `ars` bytes apart, into one panel of k * panelRows() floats.
 */
export function packPanelRows(src: usize, ars: usize, dst: usize, rows: i32, k: i32): void {
  packLargeRows(tileKind(), src, ars, 4, dst, k, rows);
}

/** Returns true if all of B[k, n] fits into one packed block. */
// @ts-ignore: decorator
@inline
export function fitsBlock(n: i32, k: i32): bool {
  return n <= NC && k <= KC;
}

/**
 * Computes C[m,n] = A * op(W), or C += A * op(W) if `accumulate` is true, for an A[m,k] that is already packed in
 * panels. W is the part of a weight that starts at element `start`, as in `gemmWeight`. The packed block of W is
 * written to `block`, or to scratch memory if `block` is 0. Set `again` to true if the previous call had the same W and
 * `block`: if all of W fits into one block, the packed block is then reused.
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
