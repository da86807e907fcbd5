// The blocked product: B in packed blocks of KC x NC, A in panels of MR x KC, tiles of MR x 8 over both.
import { clearBytes, copyBytes } from "../simd/bytes";
import { F32 } from "../formats/dtypes.gen";
import { packA, packAT, packB, packBT, packWeight, WEIGHT_ROWS } from "./gemmPack";
import { batchInvariant } from "../simd/gemmState";
import { MR, NR, tileDirect, tilePacked, ZEROS } from "./gemmTile";
import { LINE, readLines } from "../simd/readAhead";

export const KC: i32 = 384;
export const NC: i32 = 384;

/**
 * Maximum number of rows of A for which B is read without packing. For so few rows, packing B would take longer than it
 * saves.
 */
const DIRECT_B_ROWS: i32 = 2 * MR;
/**
 * Depth of a block (its size along k) if B is not packed. A tile of 8 columns uses only half of each cache line of B.
 * With a small depth, the lines stay cached while a column of tiles is computed.
 */
const DIRECT_B_KC: i32 = 64;
/**
 * Maximum number of columns of B for which A is read without packing. Blocks can then have a depth of NARROW_KC.
 * NARROW_COLUMNS * NARROW_KC must be at most KC * NC.
 */
const NARROW_COLUMNS: i32 = 96;
export const NARROW_KC: i32 = 1536;
/** Minimum k for which contiguous rows of A are not packed if B has more than FEW_COLUMNS columns. */
const NARROW_LEAST_KC: i32 = 128;
const FEW_COLUMNS: i32 = 31;

/**
 * Maximum number of bytes of A that are loaded into the cache before each tile. A core would stall if it loaded more at
 * once. Longer rows are prefetched well by the hardware itself.
 */
const AHEAD_BYTES: usize = 12 * LINE;
/** Minimum k for which A is loaded into the cache before each tile. */
const AHEAD_LEAST_K: i32 = 32;

const TILE_BYTES: i32 = MR * NR * 4;
const A_BYTES: i32 = MR * KC * 4;

/** Size in bytes of the largest block of B. */
export const B_BYTES: i32 = KC * NC * 4;
const STRIP_BYTES: i32 = WEIGHT_ROWS * max(KC, NC) * 4;

/**
 * Size in bytes of the scratch memory for the blocked product: a tile of C, a panel of A, a block of B, and some rows
 * of a weight in f32.
 */
export const BLOCK_SCRATCH: i32 = ((TILE_BYTES + A_BYTES + 63) & ~63) + B_BYTES + STRIP_BYTES;

/**
 * Returns the number of rows of the next tile if `left` rows remain. This is usually MR. If the last tile would have
 * only one or two rows, the remaining rows are divided evenly between the last two tiles, which is faster.
 */
function rowsOfTile(left: i32): i32 {
  return left > MR && left < MR + 3 ? (left + 1) >> 1 : min(MR, left);
}

/** Computes a tile of fewer than 8 columns by way of a whole tile in scratch memory. */
function edgeTile(
  rows: i32, columns: i32, a: usize, ars: usize, aks: usize, b: usize, c: usize, crs: usize, k: i32,
  tile: usize, add: bool,
): void {
  const bytes = <usize>columns << 2;
  clearBytes(tile, TILE_BYTES);
  if (add) for (let i = 0; i < rows; i++) copyBytes(c + <usize>i * crs, tile + (<usize>i << 5), bytes);
  tileDirect(rows, a, ars, aks, b, 32, tile, 32, tile, 32, k);
  for (let i = 0; i < rows; i++) copyBytes(tile + (<usize>i << 5), c + <usize>i * crs, bytes);
}

/**
 * Returns how many bytes of A, in whole cache lines, to load into the cache before each of `tiles` tiles, so that the
 * next MR rows of k floats are cached when needed. Returns 0 if that would be too much.
 */
export function aheadOfTile(k: i32, tiles: i32): usize {
  if (k < AHEAD_LEAST_K || tiles == 0) return 0;
  const bytes = (<usize>((MR * k) << 2) / <usize>tiles + LINE - 1) & ~(LINE - 1);
  return bytes <= AHEAD_BYTES ? bytes : 0;
}

/** Computes a tile of 8 columns. A is a packed panel if `inPanel`, otherwise it is read in place. */
// @ts-ignore: decorator
@inline
function wholeTile(
  inPanel: bool, rows: i32, a: usize, ars: usize, aks: usize, b: usize, bks: usize, c: usize, crs: usize, k: i32, add: bool,
): void {
  const from = add ? c : ZEROS;
  const frs: usize = add ? crs : 0;
  if (inPanel) tilePacked(a, b, bks, c, crs, from, frs, k);
  else tileDirect(rows, a, ars, aks, b, bks, c, crs, from, frs, k);
}

/** Flag of `operandsInPlace`: A is read without packing. */
const A_IN_PLACE: i32 = 1;
/** Flag of `operandsInPlace`: B is read without packing. */
export const B_IN_PLACE: i32 = 2;

/**
 * Returns flags for the operands that the product reads without packing. The flags affect the depth of blocks, and so
 * the order of sums. All parts of a product must therefore use the flags that are computed for the whole product.
 */
export function operandsInPlace(format: i32, m: i32, n: i32, k: i32, transA: bool, transB: bool, alpha: f32): i32 {
  if (format != F32) return 0;
  const narrow = n <= (transA || k < NARROW_LEAST_KC ? FEW_COLUMNS : NARROW_COLUMNS);
  return (narrow ? A_IN_PLACE : 0) | (!transB && m <= DIRECT_B_ROWS && alpha == 1 ? B_IN_PLACE : 0);
}

/**
 * Returns the depth of a product's blocks, which all have about the same depth. The depth determines the order of sums.
 * Batch-invariant products always use the depth KC.
 */
export function blockDepth(inPlace: i32, k: i32): i32 {
  if (batchInvariant) return KC;
  const deepest = inPlace & B_IN_PLACE ? DIRECT_B_KC : inPlace & A_IN_PLACE ? NARROW_KC : KC;
  const cuts = (k + deepest - 1) / deepest;
  return (k + cuts - 1) / cuts;
}

/**
 * Computes C = alpha * op(A) * op(B), or C += ... if `accumulate` is true, for sizes above zero. Strides are in bytes;
 * `scratch` has BLOCK_SCRATCH bytes. B has the dtype `format` and starts at element `start` (0 for f32). If `panels` is
 * true, A is already packed by packA. `inPlace` is the result of `operandsInPlace` for the whole product. The packed
 * block of B is written to `block`, or to scratch memory if `block` is 0; if `packed` is true, it is there already.
 */
export function gemmBlocked(
  a: usize, b: usize, format: i32, start: i32, c: usize, m: i32, n: i32, k: i32, lda: usize, ldb: usize, ldc: usize,
  transA: bool, transB: bool, panels: bool, inPlace: i32, alpha: f32, accumulate: bool, scratch: usize, block: usize, packed: bool,
): void {
  const tile = scratch;
  const packedA = tile + TILE_BYTES;
  const strip = scratch + <usize>(BLOCK_SCRATCH - STRIP_BYTES);
  const packedB = block ? block : strip - B_BYTES;
  const ars: usize = transA || panels ? 4 : lda;
  const aks: usize = panels ? MR << 2 : transA ? lda : 4;
  const widened = format != F32;
  const directB = (inPlace & B_IN_PLACE) != 0;
  const narrow = (inPlace & A_IN_PLACE) != 0;
  const depth = blockDepth(inPlace, k);
  const blocks = (n + NC - 1) / NC;
  const width = ((n + blocks - 1) / blocks + NR - 1) & ~(NR - 1);
  const tight = !transA && !panels && ars == <usize>k << 2;
  const endA = a + <usize>m * ars;
  let any = 0;
  for (let j0 = 0; j0 < n; j0 += width) {
    const nc = min(width, n - j0);
    const whole = nc & ~(NR - 1);
    for (let p0 = 0; p0 < k; p0 += depth) {
      const kc = min(depth, k - p0);
      const panelBytes = <usize>kc << 5;
      const edge = packedB + <usize>(whole >> 3) * panelBytes;
      const blockB = transB ? b + <usize>j0 * ldb + (<usize>p0 << 2) : b + <usize>p0 * ldb + (<usize>j0 << 2);
      if (packed) {
        // B is already packed by the previous product.
      } else if (widened) {
        const ld = <i32>(ldb >> 2);
        packWeight(format, b, start + (transB ? j0 * ld + p0 : p0 * ld + j0), ld, transB, packedB, kc, nc, alpha, strip);
      } else if (directB) packB(blockB + (<usize>whole << 2), ldb, edge, kc, nc - whole, 1, panelBytes);
      else if (transB) packBT(blockB, ldb, packedB, kc, nc, alpha);
      else packB(blockB, ldb, packedB, kc, nc, alpha, panelBytes);
      const bks: usize = directB ? ldb : 32;
      const nextPanel: usize = directB ? 32 : panelBytes;
      const add = accumulate || p0 > 0;
      const step = tight && kc == k ? aheadOfTile(k, whole >> 3) : 0;
      for (let i = 0, rows = 0; i < m; i += rows) {
        rows = panels ? min(MR, m - i) : rowsOfTile(m - i);
        const at = a + <usize>i * (panels ? <usize>k << 2 : ars) + <usize>p0 * aks;
        const inPanel = rows == MR && (panels || !narrow);
        let left = at;
        if (inPanel && !panels) {
          left = packedA;
          if (transA) packAT(at, aks, left, kc);
          else packA(at, ars, left, kc);
        }
        let ct = c + <usize>i * ldc + (<usize>j0 << 2);
        let panel = directB ? blockB : packedB;
        const end = ct + (<usize>whole << 2);
        // A separate loop: the extra reads would slow down short tiles by 5 %.
        for (let ahead = at + <usize>rows * ars; step && ct < end; ahead += step) {
          any |= readLines(ahead, min(ahead + step, endA));
          wholeTile(inPanel, rows, left, ars, aks, panel, bks, ct, ldc, kc, add);
          ct += NR << 2;
          panel += nextPanel;
        }
        for (; ct < end; ct += NR << 2) {
          wholeTile(inPanel, rows, left, ars, aks, panel, bks, ct, ldc, kc, add);
          panel += nextPanel;
        }
        if (whole < nc) edgeTile(rows, nc - whole, at, ars, aks, edge, ct, ldc, kc, tile, add);
      }
    }
  }
  store<i32>(tile, any);
}
