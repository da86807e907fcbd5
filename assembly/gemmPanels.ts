// Products whose left side is packed once for many right sides.
import { F32 } from "./dtypes.gen";
import { gemmBlocked, operandsInPlace } from "./gemmBlock";
import { gemmLarge, largeRows, packPanel } from "./gemmLarge";
import { packA } from "./gemmPack";
import { scratch, TILE_MR_8, tileKind } from "./gemmState";
import { MR } from "./gemmTile";

/** The most rows that a panel has. */
export const MOST_PANEL_ROWS: i32 = 8;

/** Rows of a panel. */
export function panelRows(): i32 {
  const kind = tileKind();
  return kind == TILE_MR_8 ? MR : largeRows(kind);
}

/**
 * Packs up to `panelRows()` rows of k floats, `ars` bytes apart, as one panel
 * of k * panelRows() floats.
 */
export function packPanelRows(src: usize, ars: usize, dst: usize, rows: i32, k: i32): void {
  if (rows == MR && tileKind() == TILE_MR_8) packA(src, ars, dst, k);
  else packPanel(src, ars, 4, dst, k, rows, panelRows(), 1);
}

/**
 * C[m,n] (+)= A * op(W) for A[m,k] in panels one behind the other and W the rows of a weight from
 * element `start` on, as in `gemmWeight`.
 */
export function multiplyPanels(
  panels: usize, w: usize, format: i32, start: i32, c: usize, m: i32, n: i32, k: i32, transposed: bool, accumulate: bool,
): void {
  const ldw = <usize>(transposed ? k : n) << 2;
  const ldc = <usize>n << 2;
  if (format == F32) w += <usize>start << 2;
  const inPlace = operandsInPlace(format, m, n, k, false, transposed, 1);
  const kind = tileKind();
  if (kind != TILE_MR_8) {
    gemmLarge(kind, panels, w, format, start, c, m, n, k, 0, ldw, ldc, false, transposed, true, inPlace, 1, accumulate, scratch);
  } else {
    gemmBlocked(panels, w, format, start, c, m, n, k, 0, ldw, ldc, false, transposed, true, inPlace, 1, accumulate, scratch);
  }
}
