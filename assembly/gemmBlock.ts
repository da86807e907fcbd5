// The blocked product: B in blocks of KC x NC, A in blocks of MC x KC, tiles of MR x 8 over both.
import { packA, packAT, packB, packBT } from "./gemmPack";
import { MR, NR, tileDirect, tilePacked } from "./gemmTile";

const KC: i32 = 256;
const MC: i32 = 16 * MR;
const NC: i32 = 1024;

const TILE_BYTES: i32 = 256;
const A_BYTES: i32 = MC * KC * 4;

/** Bytes of scratch that the blocked product needs: one C tile, a block of A, a block of B. */
export const BLOCK_SCRATCH: i32 = TILE_BYTES + A_BYTES + KC * NC * 4;

/** Below this many columns a block of A is read where it lies: packing would cost more than it saves. */
const PACK_A_COLUMNS: i32 = 24;

/** Adds A * B for one edge tile with fewer than 8 columns, by way of a whole tile in scratch. */
function edgeTile(rows: i32, columns: i32, a: usize, ars: usize, aks: usize, b: usize, c: usize, crs: usize, k: i32, tile: usize): void {
  const bytes = <usize>columns << 2;
  memory.fill(tile, 0, TILE_BYTES);
  for (let i = 0; i < rows; i++) memory.copy(tile + (<usize>i << 5), c + <usize>i * crs, bytes);
  tileDirect(rows, a, ars, aks, b, 32, tile, 32, k);
  for (let i = 0; i < rows; i++) memory.copy(c + <usize>i * crs, tile + (<usize>i << 5), bytes);
}

/** C += alpha * op(A) * op(B) for any sizes above zero; strides in bytes, `scratch` holds BLOCK_SCRATCH bytes. */
export function gemmBlocked(
  a: usize, b: usize, c: usize, m: i32, n: i32, k: i32, lda: usize, ldb: usize, ldc: usize,
  transA: bool, transB: bool, alpha: f32, scratch: usize,
): void {
  const tile = scratch;
  const packedA = scratch + TILE_BYTES;
  const packedB = packedA + A_BYTES;
  const ars: usize = transA ? 4 : lda;
  const aks: usize = transA ? lda : 4;
  const pack = n >= PACK_A_COLUMNS;
  for (let j0 = 0; j0 < n; j0 += NC) {
    const nc = min(NC, n - j0);
    for (let p0 = 0; p0 < k; p0 += KC) {
      const kc = min(KC, k - p0);
      const panelB = <usize>kc << 5;
      const panelA = <usize>kc * <usize>(MR << 2);
      if (transB) packBT(b + <usize>j0 * ldb + (<usize>p0 << 2), ldb, packedB, kc, nc, alpha);
      else packB(b + <usize>p0 * ldb + (<usize>j0 << 2), ldb, packedB, kc, nc, alpha);
      for (let i0 = 0; i0 < m; i0 += MC) {
        const mc = min(MC, m - i0);
        const blockA = a + <usize>i0 * ars + <usize>p0 * aks;
        const panels = pack ? mc / MR : 0;
        if (transA) packAT(blockA, aks, packedA, panels, kc);
        else packA(blockA, ars, packedA, panels, kc);
        for (let j = 0; j < nc; j += NR) {
          const columns = nc - j;
          const panel = packedB + <usize>(j >> 3) * panelB;
          let ct = c + <usize>i0 * ldc + (<usize>(j0 + j) << 2);
          let i = 0;
          if (columns >= NR) {
            let pa = packedA;
            for (; i < panels * MR; i += MR) {
              tilePacked(pa, panel, 32, ct, ldc, kc);
              pa += panelA;
              ct += <usize>MR * ldc;
            }
          }
          for (; i < mc; i += MR) {
            const rows = min(MR, mc - i);
            const at = blockA + <usize>i * ars;
            if (columns >= NR) tileDirect(rows, at, ars, aks, panel, 32, ct, ldc, kc);
            else edgeTile(rows, columns, at, ars, aks, panel, ct, ldc, kc, tile);
            ct += <usize>MR * ldc;
          }
        }
      }
    }
  }
}
