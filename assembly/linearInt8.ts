// C[m,n] = X[m,k] * W[n,k]ᵀ with integer products: X as bytes with a scale for each 32 numbers, W as GGUF's q4_1 or q8_0.
import { int8RowBytes } from "./int8";
import { q4Int8Rows, q8Int8Rows } from "./int8Rows";
import { packQ4, packQ8, Q4_COLUMNS, Q4_PANEL, Q8_COLUMNS } from "./int8Pack";
import { INT8_ROWS, q4Tile, q8Tile } from "./int8Tile";
import { Q4_BYTES, Q8_BYTES } from "./unpackGguf";
import { Q4_1 } from "./unpackRow";

export { quantizeInt8 } from "./int8";

/** Blocks of a panel that is packed at a time; a panel stays in the first-level cache, or the second. */
const DEPTH: i32 = 128;
const SUMS: usize = INT8_ROWS * Q4_COLUMNS * 4;

/** Bytes of scratch that `linearInt8` takes; constant. */
export function linearInt8Scratch(): i32 {
  return <i32>(SUMS + <usize>DEPTH * Q4_PANEL);
}

/**
 * The columns first..last-1 of C, for rows of X as `quantizeInt8` leaves them: one row, or a multiple of INT8_ROWS of which
 * the first m are wanted, with two planes for q8_0. Parts that begin at multiples of eight give the same bits as all
 * columns at once.
 */
export function linearInt8(
  x: usize, w: usize, format: i32, c: usize, m: i32, n: i32, k: i32, first: i32, last: i32, scratch: usize,
): void {
  const isQ4 = format == Q4_1;
  const blocks = k >> 5;
  const blockBytes = isQ4 ? Q4_BYTES : Q8_BYTES;
  const wrs = <usize>blocks * blockBytes;
  w += <usize>first * wrs;
  c += <usize>first << 2;
  if (m == 1) {
    if (isQ4) q4Int8Rows(x, w, c, last - first, k);
    else q8Int8Rows(x, w, c, last - first, k);
    return;
  }
  const width = isQ4 ? Q4_COLUMNS : Q8_COLUMNS;
  const xrs = int8RowBytes(k, isQ4 ? 1 : 2);
  const pairs = x + <usize>(isQ4 ? k : 2 * k);
  const panel = scratch + SUMS;
  for (let j = first; j < last; j += width) {
    const columns = min(width, last - j);
    for (let from = 0; from < blocks; from += DEPTH) {
      const depth = min(DEPTH, blocks - from);
      const block = w + <usize>from * blockBytes;
      if (isQ4) packQ4(block, wrs, columns, depth, panel);
      else packQ8(block, wrs, columns, depth, panel);
      for (let i = 0; i < m; i += INT8_ROWS) {
        const rows = min(INT8_ROWS, m - i);
        const to = c + (<usize>(i * n) << 2);
        const row = <usize>i * xrs;
        const at = x + row + <usize>(from << 5);
        const scales = pairs + row + <usize>(from << 3);
        if (from > 0) copyRows(to, <usize>n << 2, scratch, Q4_COLUMNS << 2, rows, columns);
        else for (let at: usize = 0; at < SUMS; at += 16) v128.store(scratch + at, i32x4.splat(0));
        if (isQ4) q4Tile(at, scales, xrs, panel, depth, scratch);
        else q8Tile(at, scales, xrs, <usize>k, panel, depth, scratch);
        copyRows(scratch, Q4_COLUMNS << 2, to, <usize>n << 2, rows, columns);
      }
    }
    w += <usize>width * wrs;
    c += <usize>width << 2;
  }
}

/** Copies `rows` rows of `columns` floats. */
function copyRows(src: usize, srs: usize, dst: usize, drs: usize, rows: i32, columns: i32): void {
  const end = <usize>columns << 2;
  for (; rows > 0; rows--) {
    let at: usize = 0;
    for (; at + 16 <= end; at += 16) v128.store(dst + at, v128.load(src + at));
    for (; at < end; at += 4) store<f32>(dst + at, load<f32>(src + at));
    src += srs;
    dst += drs;
  }
}
