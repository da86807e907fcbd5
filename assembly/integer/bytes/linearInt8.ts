// C[m,n] = X[m,k] * W[n,k]ᵀ with integer products: X as bytes with a scale for each 32 elements, W in GGUF blocks or in
// the 4-bit formats of bitsandbytes.
import { FP4, NF4, Q4_0, Q4_1, Q8_0 } from "../../formats/dtypes.gen";
import { blockBytes, int8Rows, isNibbles, packInt8Panel } from "../../formats/dispatch/formats";
import { fourBitInt8Rows, packFourBitPanel } from "./fourBitInt8";
import { Q4_COLUMNS, Q4_PANEL, Q8_COLUMNS, WIDE_DEPTH, WIDE_PANEL } from "../tiles/panels";
import { int8Tile, q8Tile } from "../tiles/int8Tile";
import { linearLater } from "../../formats/dispatch/later";
import { readLines } from "../../simd/readAhead";
import { INT8_ROWS, int8RowBytes } from "../rowCodes";
import { sumsInShort } from "./shortSums";
import { clearSums, putSums, TILE, takeSums } from "../tiles/tileSums";
import { codesFrom } from "../../formats/unpackFourBit";

export { int8RowsBytes, quantizeInt8 } from "./int8";
export { hasByteProducts } from "../tiles/int8Tile";
export { setShortSums } from "./shortSums";

/** Number of blocks of a panel that are packed at a time, so that they stay in the L1 or L2 cache. */
const DEPTH: i32 = 128;

/** The longest row, in elements, for which a single row of X can be multiplied by an nf4 or fp4 weight. */
const MOST_K: i32 = 32768;

/** Returns the size in bytes of the scratch memory that `linearInt8` needs. */
export function linearScratch(): i32 {
  return <i32>max(TILE + 32 + <usize>WIDE_DEPTH * (Q4_PANEL + WIDE_PANEL), 3 * <usize>MOST_K / 2);
}

/**
 * Computes the columns first..last-1 of C = X Wᵀ for m rows of integer codes X. The rows are from `quantizeInt8`; for
 * 8-bit weights, their codes must be stored in two planes. For 4-bit weights, several rows may instead be from
 * `quantizeInt15` (`planes` 2) or `quantizeMixed` (`planes` 3). These two, and 16-bit sums (`setShortSums`), need the
 * on-demand module. Computing C in parts that start at multiples of eight columns gives the same bits as computing it
 * at once.
 */
export function linearInt8(
  x: usize, planes: i32, w: usize, format: i32, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32, scratch: usize,
): void {
  const isLater = format > Q8_0 || ((format == Q4_0 || format == Q4_1) && m > 1 && (planes > 1 || sumsInShort()));
  if (isLater) {
    linearLater(sumsInShort() ? 1 : 0, x, planes, w, format, c, m, n, k, first, last, scratch);
    return;
  }
  const isQ4 = isNibbles(format);
  const isFourBit = format == NF4 || format == FP4;
  const blocks = k >> 5;
  const bytes: usize = isFourBit ? 16 : blockBytes(format);
  const wrs = <usize>blocks * bytes;
  const base = w;
  w = isFourBit ? codesFrom(base, first * k) : w + <usize>first * wrs;
  c += <usize>first << 2;
  if (m == 1) {
    if (isFourBit) fourBitInt8Rows(x, base, format == FP4, first, c, last - first, k, scratch);
    else int8Rows(format, x, w, c, last - first, k);
    return;
  }
  const width = isQ4 ? Q4_COLUMNS : Q8_COLUMNS;
  const xrs = int8RowBytes(k, planes);
  const plane = <usize>(INT8_ROWS * k);
  const panel = scratch + TILE;
  const end = w + <usize>(last - first) * wrs;
  // While rows are multiplied, the weights of the next columns are read into the cache, `share` bytes for each row.
  const share = (<usize>width * wrs + <usize>(m - 1)) / <usize>m;
  let any = 0;
  for (let j = first; j < last; j += width) {
    const columns = min(width, last - j);
    const next = w + <usize>width * wrs;
    for (let from = 0; from < blocks; from += DEPTH) {
      const depth = min(DEPTH, blocks - from);
      const block = w + <usize>from * bytes;
      if (isFourBit) packFourBitPanel(base, format == FP4, j * k + (from << 5), k, columns, depth, panel);
      else packInt8Panel(format, block, wrs, columns, depth, panel);
      for (let i = 0; i < m; i += INT8_ROWS) {
        const rows = min(INT8_ROWS, m - i);
        const to = c + (<usize>(i * n) << 2);
        const tile = x + <usize>i * xrs;
        const codes = tile + <usize>(INT8_ROWS * (from << 5));
        const pairs = tile + <usize>planes * plane + <usize>(INT8_ROWS * (from << 3));
        if (from > 0) {
          takeSums(scratch, to, <usize>n << 2, rows, columns);
        } else {
          clearSums(scratch);
          any |= readLines(min(end, next + <usize>i * share), min(end, next + <usize>(i + INT8_ROWS) * share));
        }
        if (isQ4) int8Tile(false, codes, pairs, panel, depth, scratch);
        else q8Tile(codes, pairs, plane, panel, depth, scratch);
        putSums(scratch, to, <usize>n << 2, rows, columns);
      }
    }
    w = next;
    c += <usize>width << 2;
  }
  store<i32>(scratch, any);
}
