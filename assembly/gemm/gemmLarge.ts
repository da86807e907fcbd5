// The blocked product by the tiles of `gemmLargeTiles`.
import { F32 } from "../formats/dtypes.gen";
import { aheadOfTile, B_BYTES, blockDepth, KC, NARROW_KC, NC } from "./gemmBlock";
import { tile8x8, tileMRx16 } from "./gemmLargeTiles";
import { packA, packAT, packPanel } from "./gemmPack";
import { TILE_8_8 } from "../simd/gemmState";
import { MR, ZEROS } from "./gemmTile";
import { loadPart, storePart } from "../simd/lanes";
import { readLines } from "../simd/readAhead";
import { unpackRow } from "../formats/dispatch/formats";

/** Returns the number of rows in a tile of the given kind. */
export function largeRows(kind: i32): i32 {
  return kind == TILE_8_8 ? 8 : MR;
}

export function largeColumns(kind: i32): i32 {
  return kind == TILE_8_8 ? 8 : 16;
}

const MOST_ROWS: i32 = 8;
const MOST_COLUMNS: i32 = 16;

const TILE_BYTES: i32 = MR * MOST_COLUMNS * 4;
const A_BYTES: i32 = MOST_ROWS * NARROW_KC * 4;

/** Bytes of the f32 copy of a weight panel, made while it is packed. */
const STRIP_BYTES: i32 = MOST_COLUMNS * KC * 4;

/** Bytes of scratch for the product: a tile of C, a panel of A, a block of B, and a weight panel in f32. */
export const LARGE_SCRATCH: i32 = TILE_BYTES + A_BYTES + B_BYTES + STRIP_BYTES;

/** Computes a whole tile from packed panels: C = A * B or, if `add`, C += A * B. */
// @ts-ignore: decorator
@inline
function wholeTile(kind: i32, a: usize, b: usize, c: usize, crs: usize, k: i32, add: bool): void {
  const from = add ? c : ZEROS;
  const frs: usize = add ? crs : 0;
  if (kind == TILE_8_8) tile8x8(a, b, c, crs, from, frs, k);
  else tileMRx16(a, b, c, crs, from, frs, k);
}

/** Packs up to `largeRows(kind)` rows of A[rows, k] into a panel. */
export function packLargeRows(kind: i32, src: usize, ars: usize, aks: usize, dst: usize, k: i32, rows: i32): void {
  const height = largeRows(kind);
  if (rows < height || height != MR) packPanel(src, ars, aks, dst, k, rows, height, 1);
  else if (aks == 4) packA(src, ars, dst, k);
  else packAT(src, aks, dst, k);
}

/** Copies the first `rows` rows and `columns` columns of a tile to C, or adds them to C. */
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
 * Computes the first `rows` rows and `columns` columns of a tile of C. `tile` is scratch memory for a whole tile. It is
 * used if the tile of C has fewer rows or columns.
 */
// @ts-ignore: decorator
@inline
function anyTile(
  kind: i32, a: usize, b: usize, tile: usize, c: usize, crs: usize, rows: i32, columns: i32, k: i32, add: bool,
): void {
  const nr = largeColumns(kind);
  const trs = <usize>nr << 2;
  const aside = rows < largeRows(kind) || columns < nr;
  wholeTile(kind, a, b, aside ? tile : c, aside ? trs : crs, k, add && !aside);
  if (aside) putTile(tile, trs, c, crs, rows, min(nr, columns), add);
}

/** Packs a panel of B in the layout of `packPanel`, from a weight in any dtype whose rows are `ld` elements apart. */
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
 * Computes the same product as `gemmBlocked`, with the larger tiles of `kind`. `scratch` has LARGE_SCRATCH bytes.
 * Packed panels of A have `largeRows(kind)` rows.
 */
export function gemmLarge(
  kind: i32, a: usize, b: usize, format: i32, start: i32, c: usize, m: i32, n: i32, k: i32, lda: usize, ldb: usize, ldc: usize,
  transA: bool, transB: bool, panels: bool, inPlace: i32, alpha: f32, accumulate: bool, scratch: usize, block: usize, packed: bool,
): void {
  const mr = largeRows(kind);
  const nr = largeColumns(kind);
  const tile = scratch;
  const packedA = tile + TILE_BYTES;
  const ownB = packedA + A_BYTES;
  const strip = ownB + B_BYTES;
  const packedB = block ? block : ownB;
  const ars: usize = transA ? 4 : lda;
  const aks: usize = transA ? lda : 4;
  const bks: usize = transB ? 4 : ldb;
  const bcs: usize = transB ? ldb : 4;
  const ld = <i32>(ldb >> 2);
  const depth = blockDepth(inPlace, k);
  const blocks = (n + NC - 1) / NC;
  const width = ((n + blocks - 1) / blocks + nr - 1) & ~(nr - 1);
  const tight = !transA && !panels && ars == <usize>k << 2;
  const endA = a + <usize>m * ars;
  let any = 0;
  for (let j0 = 0; j0 < n; j0 += width) {
    const nc = min(width, n - j0);
    for (let p0 = 0; p0 < k; p0 += depth) {
      const kc = min(depth, k - p0);
      const panelBytes = <usize>(kc * nr) << 2;
      const add = accumulate || p0 > 0;
      let panel = packedB;
      for (let j = 0; j < nc && !packed; j += nr) {
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
      const step = tight && kc == k ? aheadOfTile(k, (nc + nr - 1) / nr) : 0;
      for (let i = 0; i < m; i += mr) {
        const rows = min(mr, m - i);
        let left = packedA;
        if (panels) left = a + ((<usize>i * <usize>k + <usize>(p0 * mr)) << 2);
        else packLargeRows(kind, a + <usize>i * ars + <usize>p0 * aks, ars, aks, packedA, kc, rows);
        let ct = c + <usize>i * ldc + (<usize>j0 << 2);
        panel = packedB;
        let j = 0;
        // A separate loop, as in gemmBlocked.
        for (let ahead = a + <usize>(i + mr) * ars; step && j < nc; ahead += step, j += nr) {
          any |= readLines(ahead, min(ahead + step, endA));
          anyTile(kind, left, panel, tile, ct, ldc, rows, nc - j, kc, add);
          ct += nr << 2;
          panel += panelBytes;
        }
        for (; j < nc; j += nr) {
          anyTile(kind, left, panel, tile, ct, ldc, rows, nc - j, kc, add);
          ct += nr << 2;
          panel += panelBytes;
        }
      }
    }
  }
  store<i32>(tile, any);
}
