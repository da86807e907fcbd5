// Rows of `quantizeMixed` times panels of codes below 16. A part of onDemand.ts.
import { Q4_PANEL, WIDE_PANEL } from "../tiles/int8Panel";
import { int8Tile } from "../tiles/int8Tile";
import { mixedFlags, mixedPairs, mixedTile, mixedWide } from "../mixedCodes";
import { INT8_ROWS } from "../rowCodes";
import { clearSums, putSums, TILE, takeSums } from "../tiles/tileSums";
import { planesTile, widenPanel, wordsTile } from "./wideRows";

/**
 * Multiplies m rows of `quantizeMixed` by a part of a panel of `columns` columns: the `blocks` blocks from block `from`
 * on. If `inWords` is true, 15-bit codes are stored as 16-bit words, and products with 8-bit codes are first summed in
 * 16 bits.
 */
export function mixedRows(
  inWords: bool, x: usize, panel: usize, c: usize, m: i32, n: i32, k: i32, from: i32, blocks: i32, columns: i32, scratch: usize,
): void {
  const all = k >> 5;
  const crs = <usize>n << 2;
  const wide = scratch + TILE;
  if (inWords) widenPanel(panel, blocks, wide);
  for (let i = 0; i < m; i += INT8_ROWS) {
    const rows = min(INT8_ROWS, m - i);
    const to = c + <usize>i * crs;
    if (from > 0) takeSums(scratch, to, crs, rows, columns);
    else clearSums(scratch);
    const codes = x + (<usize>from << 7);
    const wideCodes = mixedWide(x, all) + (<usize>from << 8);
    const pairs = mixedPairs(x, all) + (<usize>from << 5);
    const flags = mixedFlags(x, all) + (<usize>from << 2);
    // Adjacent blocks of the same kind are one call; blocks in two planes are separate calls.
    for (let b = 0; b < blocks;) {
      const flag = load<u32>(flags + (<usize>b << 2));
      const at = <usize>b;
      do b++;
      while (b < blocks && load<u32>(flags + (<usize>b << 2)) == flag && (inWords || !flag));
      const run = b - <i32>at;
      const factors = pairs + (at << 5);
      if (!flag) int8Tile(inWords, codes + (at << 7), factors, panel + at * Q4_PANEL, run, scratch);
      else if (inWords) wordsTile(wideCodes + (at << 8), factors, wide + at * WIDE_PANEL, run, scratch);
      else planesTile(wideCodes + (at << 8), factors, 128, panel + at * Q4_PANEL, run, scratch);
    }
    putSums(scratch, to, crs, rows, columns);
    x += mixedTile(all);
  }
}
