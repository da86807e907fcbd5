// Matrix products in f32, row-major: C[m,n] (+)= alpha * op(A)[m,k] * op(B)[k,n].
import { F32 } from "../formats/dtypes.gen";
import { AXPY_COLUMNS, gemmAxpy } from "./gemmAxpy";
import { B_IN_PLACE, BLOCK_SCRATCH, gemmBlocked, operandsInPlace } from "./gemmBlock";
import { DOT_ROWS, gemmDot } from "./gemmDot";
import { FEW_ROWS, FEW_SCRATCH, gemmFew, gemmFewT } from "./gemmFew";
import { gemmLarge, LARGE_SCRATCH, largeColumns, largeRows } from "./gemmLarge";
import { batchInvariant, scratch, TILE_MR_8, tileKind } from "../simd/gemmState";
import { MR, NR } from "./gemmTile";
import { gemvPacked } from "./gemvPacked";

export { isBatchInvariant, setScratch, setTile } from "../simd/gemmState";

/** Maximum number of columns of B that are copied to contiguous rows for dot products. */
const GATHER_COLUMNS: i32 = 4;
/** Maximum number of floats in the copied columns of B, which are in scratch memory. */
const GATHER_FLOATS: i32 = BLOCK_SCRATCH >> 2;

/**
 * Returns the size in bytes of the scratch memory that matrix products need. It is the same for all sizes of matrices.
 */
export function scratchBytes(): i32 {
  return max(FEW_SCRATCH, max(BLOCK_SCRATCH, LARGE_SCRATCH));
}

/** Returns true if A * Bᵀ is faster with dot products along k than with register tiles. */
function dotIsFaster(m: i32, n: i32, k: i32): bool {
  const few = min(m, n);
  if (few == 1) return k >= 16;
  if (few <= 4) return k >= 48;
  // With few rows of A the packing of B costs too much; few columns waste part of an 8-wide tile.
  return k >= 192 && (m <= 16 || n <= 6);
}

function clear(c: usize, crs: usize, m: i32, n: i32): void {
  for (; m > 0; m--) {
    memory.fill(c, 0, <usize>n << 2);
    c += crs;
  }
}

/** Copies the columns of B[k,n] to n contiguous rows of k floats. */
function gatherColumns(b: usize, brs: usize, rows: usize, k: i32, n: i32): void {
  for (let p = 0; p < k; p++) {
    for (let j = 0; j < n; j++) store<u32>(rows + (<usize>(j * k + p) << 2), load<u32>(b + (<usize>j << 2)));
    b += brs;
  }
}

/** Returns where part `part` of `parts` starts if `total` rows or columns are divided at multiples of `unit`. */
function bound(total: i32, unit: i32, part: i32, parts: i32): i32 {
  if (part == 0) return 0;
  if (part == parts) return total;
  const units = <i64>((total + unit - 1) / unit);
  return min(total, <i32>((units * part) / parts) * unit);
}

/**
 * Computes C[m,n] = alpha * op(A) * op(B), or C += ... if `accumulate` is 1. op(X) is X, or its transpose if its flag
 * is 1: then A is stored as [k,m], or B as [n,k]. Leading dimensions are in elements.
 */
export function gemm(
  a: usize, b: usize, c: usize, m: i32, n: i32, k: i32, lda: i32, ldb: i32, ldc: i32,
  transA: i32, transB: i32, alpha: f32, accumulate: i32,
): void {
  gemmPart(a, b, c, m, n, k, lda, ldb, ldc, transA, transB, alpha, accumulate, 0, 1);
}

/**
 * Computes part `part` of `parts` of the product of `gemm`. The order in which each element is summed depends only on
 * the sizes of the whole product, so results are bit-identical for any number of parts.
 */
export function gemmPart(
  a: usize, b: usize, c: usize, m: i32, n: i32, k: i32, lda: i32, ldb: i32, ldc: i32,
  transA: i32, transB: i32, alpha: f32, accumulate: i32, part: i32, parts: i32,
): void {
  if (m <= 0 || n <= 0) return;
  const ars = <usize>lda << 2;
  const brs = <usize>ldb << 2;
  const crs = <usize>ldc << 2;
  const add = accumulate != 0;
  if (k <= 0) {
    if (!add && part == 0) clear(c, crs, m, n);
  } else if (batchInvariant) {
    invariant(a, b, F32, 0, c, m, n, k, ars, brs, crs, transA != 0, transB != 0, alpha, add, part, parts);
  } else if (!transA && transB && dotIsFaster(m, n, k)) {
    const rows = max(m, n);
    const first = bound(rows, DOT_ROWS, part, parts);
    const last = bound(rows, DOT_ROWS, part + 1, parts);
    if (m <= n) gemmDot(a, ars, b, brs, c, crs, 4, m, n, k, alpha, add, first, last);
    else gemmDot(b, brs, a, ars, c, 4, crs, n, m, k, alpha, add, first, last);
  } else if (!transB && m <= 2) {
    const first = bound(n, AXPY_COLUMNS, part, parts);
    const columns = bound(n, AXPY_COLUMNS, part + 1, parts) - first;
    const at = <usize>first << 2;
    if (!add) clear(c + at, crs, m, columns);
    gemmAxpy(a, transA ? 4 : ars, transA ? ars : 4, b + at, brs, c + at, crs, m, columns, k, alpha);
  } else if (!transA && !transB && n <= GATHER_COLUMNS && k <= GATHER_FLOATS / n && dotIsFaster(m, n, k)) {
    const first = bound(m, DOT_ROWS, part, parts);
    const last = bound(m, DOT_ROWS, part + 1, parts);
    gatherColumns(b, brs, scratch, k, n);
    gemmDot(scratch, <usize>k << 2, a, ars, c, 4, crs, n, m, k, alpha, add, first, last);
  } else {
    tiled(a, b, F32, 0, c, m, n, k, ars, brs, crs, transA != 0, transB != 0, alpha, add, part, parts);
  }
}

/**
 * Returns the number of rows in the grid of pieces into which C is divided. The grid has `parts` pieces in all. Nearly
 * square pieces need the least packing.
 */
function piecesDown(m: i32, n: i32, parts: i32): i32 {
  let best = 1;
  let least = f64.MAX_VALUE;
  for (let down = 1; down <= parts; down++) {
    if (parts % down) continue;
    const packed = <f64>down / <f64>m + <f64>(parts / down) / <f64>n;
    if (packed >= least) continue;
    least = packed;
    best = down;
  }
  return best;
}

/**
 * Computes a part of the product with register tiles. B starts at element `start` of the weight at `b`, which has the
 * dtype `format`.
 */
function tiled(
  a: usize, b: usize, format: i32, start: i32, c: usize, m: i32, n: i32, k: i32, ars: usize, brs: usize, crs: usize,
  transA: bool, transB: bool, alpha: f32, add: bool, part: i32, parts: i32,
): void {
  const kind = tileKind();
  const inPlace = operandsInPlace(format, m, n, k, transA, transB, alpha);
  const large = kind != TILE_MR_8 && !(inPlace & B_IN_PLACE) && m >= largeRows(kind) && n >= largeColumns(kind);
  const down = piecesDown(m, n, parts);
  const across = parts / down;
  const rowUnit = large ? largeRows(kind) : MR;
  const columnUnit = large ? largeColumns(kind) : NR;
  const row = bound(m, rowUnit, part % down, down);
  const column = bound(n, columnUnit, part / down, across);
  m = bound(m, rowUnit, (part % down) + 1, down) - row;
  n = bound(n, columnUnit, part / down + 1, across) - column;
  if (m <= 0 || n <= 0) return;
  a += <usize>row * (transA ? 4 : ars);
  if (format == F32) b += <usize>column * (transB ? brs : 4);
  else start += column * (transB ? <i32>(brs >> 2) : 1);
  c += <usize>row * crs + (<usize>column << 2);
  if (large) gemmLarge(kind, a, b, format, start, c, m, n, k, ars, brs, crs, transA, transB, false, inPlace, alpha, add, scratch, 0, false);
  else gemmBlocked(a, b, format, start, c, m, n, k, ars, brs, crs, transA, transB, false, inPlace, alpha, add, scratch, 0, false);
}

/**
 * Computes a part of the product, and adds up terms in an order that makes the result batch-invariant. The arguments
 * are as in `tiled`.
 */
function invariant(
  a: usize, b: usize, format: i32, start: i32, c: usize, m: i32, n: i32, k: i32, ars: usize, brs: usize, crs: usize,
  transA: bool, transB: bool, alpha: f32, add: bool, part: i32, parts: i32,
): void {
  const ai = transA ? 4 : ars;
  const ak = transA ? ars : 4;
  if (m <= FEW_ROWS && transB) {
    const first = bound(n, NR, part, parts);
    const last = bound(n, NR, part + 1, parts);
    gemmFewT(a, ai, ak, b, format, start, <i32>(brs >> 2), c, crs, m, k, alpha, add, first, last, scratch);
  } else if (m <= FEW_ROWS && format == F32 && alpha == 1) {
    const first = bound(n, AXPY_COLUMNS, part, parts);
    const columns = bound(n, AXPY_COLUMNS, part + 1, parts) - first;
    const at = <usize>first << 2;
    gemmFew(a, ai, ak, b + at, brs, c + at, crs, m, columns, k, add, scratch);
  } else {
    tiled(a, b, format, start, c, m, n, k, ars, brs, crs, transA, transB, alpha, add, part, parts);
  }
}

/**
 * Computes C[m,n] = alpha * A[m,k] * op(W), or C += ... if `accumulate` is 1, for a weight W in any dtype (`format`;
 * see unpackRow). W is [k,n], or [n,k] if `transposed` is 1, and starts at element `start`, at the beginning of a row.
 * It is converted to f32 block by block.
 */
export function gemmWeight(
  a: usize, w: usize, format: i32, start: i32, c: usize, m: i32, n: i32, k: i32, transposed: i32, alpha: f32, accumulate: i32,
): void {
  gemmWeightPart(a, w, format, start, c, m, n, k, transposed, alpha, accumulate, 0, 1);
}

/** Computes part `part` of `parts` of the product of `gemmWeight`, as `gemmPart` does for `gemm`. */
export function gemmWeightPart(
  a: usize, w: usize, format: i32, start: i32, c: usize, m: i32, n: i32, k: i32, transposed: i32, alpha: f32, accumulate: i32,
  part: i32, parts: i32,
): void {
  const ldw = transposed ? k : n;
  if (format == F32 || m <= 0 || n <= 0 || k <= 0) {
    gemmPart(a, w + (<usize>start << 2), c, m, n, k, k, ldw, n, 0, transposed, alpha, accumulate, part, parts);
    return;
  }
  const crs = <usize>n << 2;
  if (batchInvariant) {
    invariant(a, w, format, start, c, m, n, k, <usize>k << 2, <usize>ldw << 2, crs, false, transposed != 0, alpha, accumulate != 0, part, parts);
    return;
  }
  if (transposed && dotIsFaster(m, n, k)) {
    const first = bound(n, DOT_ROWS, part, parts);
    const last = bound(n, DOT_ROWS, part + 1, parts);
    gemvPacked(a, w, format, start, c, crs, m, k, alpha, accumulate, first, last, scratch);
    return;
  }
  tiled(a, w, format, start, c, m, n, k, <usize>k << 2, <usize>ldw << 2, crs, false, transposed != 0, alpha, accumulate != 0, part, parts);
}

/**
 * Computes `batch` products of the same shape. Strides between matrices are in elements; a stride of 0 uses the same
 * matrix each time.
 */
export function gemmBatched(
  a: usize, b: usize, c: usize, batch: i32, strideA: i32, strideB: i32, strideC: i32, m: i32, n: i32, k: i32,
  lda: i32, ldb: i32, ldc: i32, transA: i32, transB: i32, alpha: f32, accumulate: i32,
): void {
  for (let i = 0; i < batch; i++) {
    gemm(a, b, c, m, n, k, lda, ldb, ldc, transA, transB, alpha, accumulate);
    a += <usize>strideA << 2;
    b += <usize>strideB << 2;
    c += <usize>strideC << 2;
  }
}
