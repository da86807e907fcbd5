// The blocked product by the tiles of `gemmLargeTiles`.
import { F32 } from "./dtypes.gen";
import { blockDepth, KC, NARROW_KC, NC } from "./gemmBlock";
import { tile4x16, tile8x8 } from "./gemmLargeTiles";
import { transpose4 } from "./gemmPack";
import { TILE_8_8 } from "./gemmState";
import { loadPart, storePart } from "./lanes";
import { unpackRow } from "./formats";

/** Rows and columns of a large tile; both have 64 numbers. */
export function largeRows(kind: i32): i32 {
  return kind == TILE_8_8 ? 8 : 4;
}

export function largeColumns(kind: i32): i32 {
  return kind == TILE_8_8 ? 8 : 16;
}

const MOST_ROWS: i32 = 8;
const MOST_COLUMNS: i32 = 16;

const ZERO_BYTES: i32 = 64;
const TILE_BYTES: i32 = 64 * 4;
const A_BYTES: i32 = MOST_ROWS * NARROW_KC * 4;

/** A panel's worth of a widened weight. */
const STRIP_BYTES: i32 = MOST_COLUMNS * KC * 4;

/**
 * Bytes of scratch that the product needs: zeros, one tile of C, a panel of A, a
 * block of B, a widened panel.
 */
export const LARGE_SCRATCH: i32 = ZERO_BYTES + TILE_BYTES + A_BYTES + KC * NC * 4 + STRIP_BYTES;

/** C (+)= A * B for a whole tile of packed panels. */
// @ts-ignore: decorator
@inline
function wholeTile(kind: i32, a: usize, b: usize, c: usize, crs: usize, from: usize, frs: usize, k: i32): void {
  if (kind == TILE_8_8) tile8x8(a, b, c, crs, from, frs, k);
  else tile4x16(a, b, c, crs, from, frs, k);
}

/**
 * Packs `count` (at most `width`) lines of k numbers as one k-major panel times `alpha`, filled up
 * with zeros. Number p of line i lies at src + i * line + p * step; one of the two strides is 4.
 */
export function packPanel(
  src: usize, line: usize, step: usize, dst: usize, k: i32, count: i32, width: i32, alpha: f32,
): void {
  const scale = f32x4.splat(alpha);
  const row = <usize>width << 2;
  let done = 0;
  if (count == width) {
    if (step == 4) {
      done = k & ~3;
      for (let p = 0; p < done; p += 4) {
        let from = src + (<usize>p << 2);
        const to = dst + <usize>p * row;
        for (let i: usize = 0; i < row; i += 16) {
          transpose4(from, line, to + i, row, scale);
          from += line << 2;
        }
      }
    } else {
      done = k;
      for (let p = 0; p < k; p++) {
        const from = src + <usize>p * step;
        const to = dst + <usize>p * row;
        for (let i: usize = 0; i < row; i += 16) v128.store(to + i, f32x4.mul(scale, v128.load(from + i)));
      }
    }
  }
  for (let p = done; p < k; p++) {
    const from = src + <usize>p * step;
    const to = dst + <usize>p * row;
    for (let i = 0; i < count; i++) store<f32>(to + (<usize>i << 2), alpha * load<f32>(from + <usize>i * line));
    for (let i = count; i < width; i++) store<f32>(to + (<usize>i << 2), 0);
  }
}

/** Writes the first rows and columns of a tile to C, or adds them. */
function putTile(tile: usize, trs: usize, c: usize, crs: usize, rows: i32, columns: i32, add: bool): void {
  const zero = f32x4.splat(0);
  for (; rows > 0; rows--) {
    for (let j = 0; j < columns; j += 4) {
      const at = <usize>j << 2;
      const n = columns - j;
      const v = loadPart(tile + at, n, zero);
      storePart(c + at, add ? f32x4.add(loadPart(c + at, n, zero), v) : v, n);
    }
    tile += trs;
    c += crs;
  }
}

/**
 * Packs a panel of B as packPanel does, from a weight in another format whose rows
 * are `ld` elements apart.
 */
function packWeightPanel(
  format: i32, w: usize, start: i32, ld: i32, transB: bool, dst: usize, k: i32, count: i32, width: i32, alpha: f32,
  strip: usize,
): void {
  const rows = transB ? count : k;
  const length = transB ? k : count;
  const lineBytes = <usize>length << 2;
  for (let r = 0; r < rows; r++) unpackRow(format, w, start + r * ld, length, strip + <usize>r * lineBytes);
  packPanel(strip, transB ? lineBytes : 4, transB ? 4 : lineBytes, dst, k, count, width, alpha);
}

/**
 * The product as `gemmBlocked` makes it; `scratch` holds LARGE_SCRATCH bytes, panels
 * have `largeRows(kind)` rows.
 */
export function gemmLarge(
  kind: i32, a: usize, b: usize, format: i32, start: i32, c: usize, m: i32, n: i32, k: i32, lda: usize, ldb: usize, ldc: usize,
  transA: bool, transB: bool, panels: bool, inPlace: i32, alpha: f32, accumulate: bool, scratch: usize,
): void {
  const mr = largeRows(kind);
  const nr = largeColumns(kind);
  const zeros = scratch;
  const tile = zeros + ZERO_BYTES;
  const packedA = tile + TILE_BYTES;
  const packedB = packedA + A_BYTES;
  const strip = packedB + KC * NC * 4;
  const ars: usize = transA ? 4 : lda;
  const aks: usize = transA ? lda : 4;
  const bks: usize = transB ? 4 : ldb;
  const bcs: usize = transB ? ldb : 4;
  const ld = <i32>(ldb >> 2);
  const depth = blockDepth(inPlace, k);
  const blocks = (n + NC - 1) / NC;
  const width = ((n + blocks - 1) / blocks + nr - 1) & ~(nr - 1);
  memory.fill(zeros, 0, ZERO_BYTES);
  for (let j0 = 0; j0 < n; j0 += width) {
    const nc = min(width, n - j0);
    for (let p0 = 0; p0 < k; p0 += depth) {
      const kc = min(depth, k - p0);
      const panelBytes = <usize>(kc * nr) << 2;
      const add = accumulate || p0 > 0;
      let panel = packedB;
      for (let j = 0; j < nc; j += nr) {
        const count = min(nr, nc - j);
        if (format == F32) {
          const from = b + <usize>(j0 + j) * bcs + <usize>p0 * bks;
          packPanel(from, bcs, bks, panel, kc, count, nr, alpha);
        } else {
          const from = start + (transB ? (j0 + j) * ld + p0 : p0 * ld + j0 + j);
          packWeightPanel(format, b, from, ld, transB, panel, kc, count, nr, alpha, strip);
        }
        panel += panelBytes;
      }
      for (let i = 0; i < m; i += mr) {
        const rows = min(mr, m - i);
        let left = packedA;
        if (panels) left = a + ((<usize>i * <usize>k + <usize>(p0 * mr)) << 2);
        else packPanel(a + <usize>i * ars + <usize>p0 * aks, ars, aks, packedA, kc, rows, mr, 1);
        let ct = c + <usize>i * ldc + (<usize>j0 << 2);
        panel = packedB;
        for (let j = 0; j < nc; j += nr) {
          const columns = min(nr, nc - j);
          // The old value of C is added at the end: small products would be lost in a large sum.
          const aside = add || rows < mr || columns < nr;
          wholeTile(kind, left, panel, aside ? tile : ct, aside ? <usize>nr << 2 : ldc, zeros, 0, kc);
          if (aside) putTile(tile, <usize>nr << 2, ct, ldc, rows, columns, add);
          ct += nr << 2;
          panel += panelBytes;
        }
      }
    }
  }
}
