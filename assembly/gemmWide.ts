// The blocked product for engines that fuse neighbouring 128-bit operations into 256 bits: tiles of 4 x 16, whose
// accumulators lie side by side. Where nothing is fused the tile spills registers and is slower than the others.
import { transpose4 } from "./gemmPack";
import { madd } from "./gemmTile";
import { F32, unpackRow } from "./unpackRow";

/** Rows and columns of the tile. */
export const WIDE_MR: i32 = 4;
export const WIDE_NR: i32 = 16;

/** Blocks of B: a panel of 16 columns and one of A stay in the first cache, the block in the second. */
const KC: i32 = 256;
const NC: i32 = 512;

const ZERO_BYTES: i32 = 64;
const TILE_BYTES: i32 = WIDE_MR * WIDE_NR * 4;
const A_BYTES: i32 = WIDE_MR * KC * 4;

/** A panel's worth of a widened weight. */
const STRIP_BYTES: i32 = WIDE_NR * KC * 4;

/** Bytes of scratch that the wide product needs: zeros, one tile of C, a panel of A, a block of B, a widened panel. */
export const WIDE_SCRATCH: i32 = ZERO_BYTES + TILE_BYTES + A_BYTES + KC * NC * 4 + STRIP_BYTES;

/** C[4,16] = from + A * B, with A a 4-wide and B a 16-wide k-major panel; strides in bytes. */
function wideTile(a: usize, b: usize, c: usize, crs: usize, from: usize, frs: usize, k: i32): void {
  const f1 = from + frs;
  const f2 = f1 + frs;
  const f3 = f2 + frs;
  const p1 = c + crs;
  const p2 = p1 + crs;
  const p3 = p2 + crs;
  let c00 = v128.load(from);
  let c01 = v128.load(from, 16);
  let c02 = v128.load(from, 32);
  let c03 = v128.load(from, 48);
  let c10 = v128.load(f1);
  let c11 = v128.load(f1, 16);
  let c12 = v128.load(f1, 32);
  let c13 = v128.load(f1, 48);
  let c20 = v128.load(f2);
  let c21 = v128.load(f2, 16);
  let c22 = v128.load(f2, 32);
  let c23 = v128.load(f2, 48);
  let c30 = v128.load(f3);
  let c31 = v128.load(f3, 16);
  let c32 = v128.load(f3, 32);
  let c33 = v128.load(f3, 48);
  do {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const b2 = v128.load(b, 32);
    const b3 = v128.load(b, 48);
    let x = v128.load32_splat(a);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    c02 = madd(x, b2, c02);
    c03 = madd(x, b3, c03);
    x = v128.load32_splat(a, 4);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    c12 = madd(x, b2, c12);
    c13 = madd(x, b3, c13);
    x = v128.load32_splat(a, 8);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    c22 = madd(x, b2, c22);
    c23 = madd(x, b3, c23);
    x = v128.load32_splat(a, 12);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    c32 = madd(x, b2, c32);
    c33 = madd(x, b3, c33);
    a += WIDE_MR << 2;
    b += WIDE_NR << 2;
  } while (--k);
  v128.store(c, c00);
  v128.store(c, c01, 16);
  v128.store(c, c02, 32);
  v128.store(c, c03, 48);
  v128.store(p1, c10);
  v128.store(p1, c11, 16);
  v128.store(p1, c12, 32);
  v128.store(p1, c13, 48);
  v128.store(p2, c20);
  v128.store(p2, c21, 16);
  v128.store(p2, c22, 32);
  v128.store(p2, c23, 48);
  v128.store(p3, c30);
  v128.store(p3, c31, 16);
  v128.store(p3, c32, 32);
  v128.store(p3, c33, 48);
}

/**
 * Packs `count` (at most `width`) lines of k numbers as one k-major panel times `alpha`, filled up with zeros. Number p of
 * line i lies at src + i * line + p * step; one of the two strides is 4.
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

/** Computes a tile of fewer rows or columns by way of a whole one in scratch. */
function edgeTile(
  rows: i32, columns: i32, a: usize, b: usize, c: usize, crs: usize, k: i32, tile: usize, add: bool,
): void {
  const bytes = <usize>columns << 2;
  memory.fill(tile, 0, TILE_BYTES);
  if (add) for (let i = 0; i < rows; i++) memory.copy(tile + (<usize>i << 6), c + <usize>i * crs, bytes);
  wideTile(a, b, tile, 64, tile, 64, k);
  for (let i = 0; i < rows; i++) memory.copy(c + <usize>i * crs, tile + (<usize>i << 6), bytes);
}

/** Packs a panel of B as packPanel does, from a weight in another format whose rows are `ld` elements apart. */
function packWidePanel(
  format: i32, w: usize, start: i32, ld: i32, transB: bool, dst: usize, k: i32, count: i32, alpha: f32, strip: usize,
): void {
  const rows = transB ? count : k;
  const length = transB ? k : count;
  const lineBytes = <usize>length << 2;
  for (let r = 0; r < rows; r++) unpackRow(format, w, start + r * ld, length, strip + <usize>r * lineBytes);
  packPanel(strip, transB ? lineBytes : 4, transB ? 4 : lineBytes, dst, k, count, WIDE_NR, alpha);
}

/** The product as `gemmBlocked` makes it; `scratch` holds WIDE_SCRATCH bytes, panels have WIDE_MR rows. */
export function gemmWide(
  a: usize, b: usize, format: i32, start: i32, c: usize, m: i32, n: i32, k: i32, lda: usize, ldb: usize, ldc: usize,
  transA: bool, transB: bool, panels: bool, alpha: f32, accumulate: bool, scratch: usize,
): void {
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
  const cuts = (k + KC - 1) / KC;
  const depth = (k + cuts - 1) / cuts;
  const blocks = (n + NC - 1) / NC;
  const width = ((n + blocks - 1) / blocks + WIDE_NR - 1) & ~(WIDE_NR - 1);
  memory.fill(zeros, 0, ZERO_BYTES);
  for (let j0 = 0; j0 < n; j0 += width) {
    const nc = min(width, n - j0);
    for (let p0 = 0; p0 < k; p0 += depth) {
      const kc = min(depth, k - p0);
      const panelBytes = <usize>kc << 6;
      const add = accumulate || p0 > 0;
      let panel = packedB;
      for (let j = 0; j < nc; j += WIDE_NR) {
        const count = min(WIDE_NR, nc - j);
        if (format == F32) {
          const from = b + <usize>(j0 + j) * bcs + <usize>p0 * bks;
          packPanel(from, bcs, bks, panel, kc, count, WIDE_NR, alpha);
        } else {
          const from = start + (transB ? (j0 + j) * ld + p0 : p0 * ld + j0 + j);
          packWidePanel(format, b, from, ld, transB, panel, kc, count, alpha, strip);
        }
        panel += panelBytes;
      }
      for (let i = 0; i < m; i += WIDE_MR) {
        const rows = min(WIDE_MR, m - i);
        let left = packedA;
        if (panels) left = a + ((<usize>i * <usize>k + <usize>(p0 * WIDE_MR)) << 2);
        else packPanel(a + <usize>i * ars + <usize>p0 * aks, ars, aks, packedA, kc, rows, WIDE_MR, 1);
        let ct = c + <usize>i * ldc + (<usize>j0 << 2);
        panel = packedB;
        for (let j = 0; j < nc; j += WIDE_NR) {
          const columns = min(WIDE_NR, nc - j);
          if (rows < WIDE_MR || columns < WIDE_NR) edgeTile(rows, columns, left, panel, ct, ldc, kc, tile, add);
          else wideTile(left, panel, ct, ldc, add ? ct : zeros, add ? ldc : 0, kc);
          ct += WIDE_NR << 2;
          panel += panelBytes;
        }
      }
    }
  }
}
