// Register tiles: ROWS x 8 floats of C stay in SIMD registers over the whole k loop. They start from zeros and are
// added to C at the end, since small products would be lost in a large sum. The zeros come from memory: a branch or a
// splat there halves the speed in V8.
import { storePair, madd } from "../simd/lanes";

/** Number of rows in a packed tile: as many as 16 XMM registers allow. */
export const MR: i32 = ASC_FEATURE_RELAXED_SIMD ? 6 : 5;

/** Number of columns in a tile: two vectors of four floats. */
export const NR: i32 = 8;

/** Address of zeros that serve as the initial values of a tile's row. */
export const ZEROS: usize = memory.data(64, 16);

/** Stores a row of eight floats: the sums in `low` and `high`, plus the starting values at `from`. */
// @ts-ignore: decorator
@inline
export function putRow(c: usize, from: usize, low: v128, high: v128): void {
  storePair(c, f32x4.add(v128.load(from), low), f32x4.add(v128.load(from, 16), high));
}

/**
 * Computes a tile: C[rows,8] = from + A[rows,k] * B[k,8]. `rows` is a constant in each call. Element (i, p) of A is at
 * a + i * ars + p * aks, row p of B at b + p * bks, row i of the starting values at from + i * frs. Strides are in
 * bytes.
 */
// @ts-ignore: decorator
@inline
function directTile(
  rows: i32, a: usize, ars: usize, aks: usize, b: usize, bks: usize,
  c: usize, crs: usize, from: usize, frs: usize, k: i32,
): void {
  const zero = f32x4.splat(0);
  const f1 = from + frs;
  const f2 = f1 + frs;
  const f3 = f2 + frs;
  const f4 = f3 + frs;
  const f5 = f4 + frs;
  const p1 = c + crs;
  const p2 = p1 + crs;
  const p3 = p2 + crs;
  const p4 = p3 + crs;
  const p5 = p4 + crs;
  let a1 = a + ars;
  let a2 = a1 + ars;
  let a3 = a2 + ars;
  let a4 = a3 + ars;
  let a5 = a4 + ars;
  let c00 = v128.load(ZEROS);
  let c01 = v128.load(ZEROS);
  let c10 = rows > 1 ? v128.load(ZEROS) : zero;
  let c11 = rows > 1 ? v128.load(ZEROS) : zero;
  let c20 = rows > 2 ? v128.load(ZEROS) : zero;
  let c21 = rows > 2 ? v128.load(ZEROS) : zero;
  let c30 = rows > 3 ? v128.load(ZEROS) : zero;
  let c31 = rows > 3 ? v128.load(ZEROS) : zero;
  let c40 = rows > 4 ? v128.load(ZEROS) : zero;
  let c41 = rows > 4 ? v128.load(ZEROS) : zero;
  let c50 = rows > 5 ? v128.load(ZEROS) : zero;
  let c51 = rows > 5 ? v128.load(ZEROS) : zero;
  do {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    a += aks;
    if (rows > 1) {
      x = v128.load32_splat(a1);
      c10 = madd(x, b0, c10);
      c11 = madd(x, b1, c11);
      a1 += aks;
    }
    if (rows > 2) {
      x = v128.load32_splat(a2);
      c20 = madd(x, b0, c20);
      c21 = madd(x, b1, c21);
      a2 += aks;
    }
    if (rows > 3) {
      x = v128.load32_splat(a3);
      c30 = madd(x, b0, c30);
      c31 = madd(x, b1, c31);
      a3 += aks;
    }
    if (rows > 4) {
      x = v128.load32_splat(a4);
      c40 = madd(x, b0, c40);
      c41 = madd(x, b1, c41);
      a4 += aks;
    }
    if (rows > 5) {
      x = v128.load32_splat(a5);
      c50 = madd(x, b0, c50);
      c51 = madd(x, b1, c51);
      a5 += aks;
    }
    b += bks;
  } while (--k);
  putRow(c, from, c00, c01);
  if (rows > 1) putRow(p1, f1, c10, c11);
  if (rows > 2) putRow(p2, f2, c20, c21);
  if (rows > 3) putRow(p3, f3, c30, c31);
  if (rows > 4) putRow(p4, f4, c40, c41);
  if (rows > 5) putRow(p5, f5, c50, c51);
}

function tile1(
  a: usize, ars: usize, aks: usize, b: usize, bks: usize,
  c: usize, crs: usize, from: usize, frs: usize, k: i32,
): void {
  directTile(1, a, ars, aks, b, bks, c, crs, from, frs, k);
}
function tile2(
  a: usize, ars: usize, aks: usize, b: usize, bks: usize,
  c: usize, crs: usize, from: usize, frs: usize, k: i32,
): void {
  directTile(2, a, ars, aks, b, bks, c, crs, from, frs, k);
}
function tile3(
  a: usize, ars: usize, aks: usize, b: usize, bks: usize,
  c: usize, crs: usize, from: usize, frs: usize, k: i32,
): void {
  directTile(3, a, ars, aks, b, bks, c, crs, from, frs, k);
}
function tile4(
  a: usize, ars: usize, aks: usize, b: usize, bks: usize,
  c: usize, crs: usize, from: usize, frs: usize, k: i32,
): void {
  directTile(4, a, ars, aks, b, bks, c, crs, from, frs, k);
}
function tile5(
  a: usize, ars: usize, aks: usize, b: usize, bks: usize,
  c: usize, crs: usize, from: usize, frs: usize, k: i32,
): void {
  directTile(5, a, ars, aks, b, bks, c, crs, from, frs, k);
}
function tile6(
  a: usize, ars: usize, aks: usize, b: usize, bks: usize,
  c: usize, crs: usize, from: usize, frs: usize, k: i32,
): void {
  directTile(6, a, ars, aks, b, bks, c, crs, from, frs, k);
}

/** Computes C[rows,8] = from + A[rows,k] * B[k,8] for 1 <= rows <= MR, with A not packed. Strides are in bytes. */
export function tileDirect(
  rows: i32, a: usize, ars: usize, aks: usize, b: usize, bks: usize,
  c: usize, crs: usize, from: usize, frs: usize, k: i32,
): void {
  if (rows == 6) tile6(a, ars, aks, b, bks, c, crs, from, frs, k);
  else if (rows == 5) tile5(a, ars, aks, b, bks, c, crs, from, frs, k);
  else if (rows == 4) tile4(a, ars, aks, b, bks, c, crs, from, frs, k);
  else if (rows == 3) tile3(a, ars, aks, b, bks, c, crs, from, frs, k);
  else if (rows == 2) tile2(a, ars, aks, b, bks, c, crs, from, frs, k);
  else tile1(a, ars, aks, b, bks, c, crs, from, frs, k);
}

/**
 * Computes C[MR,8] = from + A * B. A is a k-major panel of MR rows: MR values for each element of k. Strides are in
 * bytes.
 */
export function tilePacked(
  a: usize, b: usize, bks: usize, c: usize, crs: usize, from: usize, frs: usize, k: i32,
): void {
  const f1 = from + frs;
  const f2 = f1 + frs;
  const f3 = f2 + frs;
  const f4 = f3 + frs;
  const f5 = f4 + frs;
  const p1 = c + crs;
  const p2 = p1 + crs;
  const p3 = p2 + crs;
  const p4 = p3 + crs;
  const p5 = p4 + crs;
  let c00 = v128.load(ZEROS);
  let c01 = v128.load(ZEROS);
  let c10 = v128.load(ZEROS);
  let c11 = v128.load(ZEROS);
  let c20 = v128.load(ZEROS);
  let c21 = v128.load(ZEROS);
  let c30 = v128.load(ZEROS);
  let c31 = v128.load(ZEROS);
  let c40 = v128.load(ZEROS);
  let c41 = v128.load(ZEROS);
  let c50 = v128.load(ZEROS);
  let c51 = v128.load(ZEROS);
  do {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    x = v128.load32_splat(a, 4);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    x = v128.load32_splat(a, 8);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    x = v128.load32_splat(a, 12);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    x = v128.load32_splat(a, 16);
    c40 = madd(x, b0, c40);
    c41 = madd(x, b1, c41);
    if (MR > 5) {
      x = v128.load32_splat(a, 20);
      c50 = madd(x, b0, c50);
      c51 = madd(x, b1, c51);
    }
    a += MR << 2;
    b += bks;
  } while (--k);
  putRow(c, from, c00, c01);
  putRow(p1, f1, c10, c11);
  putRow(p2, f2, c20, c21);
  putRow(p3, f3, c30, c31);
  putRow(p4, f4, c40, c41);
  if (MR > 5) putRow(p5, f5, c50, c51);
}
