// C[m,n] += alpha * op(A)[m,k] * B[k,n] row by row of B: for few rows of C, B is read once and in order.
import { madd, loadPart, storePart } from "../simd/lanes";

/** Number of columns that are computed at a time, so that a strip of C and four of B stay in the L1 cache. */
const STRIP: i32 = 1024;

/** Threads divide the columns at multiples of this, so that parts are whole vectors and cache lines. */
export const AXPY_COLUMNS: i32 = 16;

// @ts-ignore: decorator
@inline
function axpy4(c: usize, n: i32, b: usize, brs: usize, y0: f32, y1: f32, y2: f32, y3: f32): void {
  const v0 = f32x4.splat(y0);
  const v1 = f32x4.splat(y1);
  const v2 = f32x4.splat(y2);
  const v3 = f32x4.splat(y3);
  let b1 = b + brs;
  let b2 = b1 + brs;
  let b3 = b2 + brs;
  const whole = c + (<usize>(n & ~3) << 2);
  while (c < whole) {
    let sum = madd(v0, v128.load(b), v128.load(c));
    sum = madd(v1, v128.load(b1), sum);
    sum = madd(v2, v128.load(b2), sum);
    sum = madd(v3, v128.load(b3), sum);
    v128.store(c, sum);
    c += 16;
    b += 16;
    b1 += 16;
    b2 += 16;
    b3 += 16;
  }
  const rest = n & 3;
  if (!rest) return;
  let sum = madd(v0, loadPart(b, rest, v0), loadPart(c, rest, v0));
  sum = madd(v1, loadPart(b1, rest, v0), sum);
  sum = madd(v2, loadPart(b2, rest, v0), sum);
  storePart(c, madd(v3, loadPart(b3, rest, v0), sum), rest);
}

function axpy1(c: usize, n: i32, b: usize, y: f32): void {
  const v = f32x4.splat(y);
  const whole = c + (<usize>(n & ~3) << 2);
  for (; c < whole; c += 16) {
    v128.store(c, madd(v, v128.load(b), v128.load(c)));
    b += 16;
  }
  const rest = n & 3;
  if (rest) storePart(c, madd(v, loadPart(b, rest, v), loadPart(c, rest, v)), rest);
}

/**
 * Computes C += alpha * A * B by adding multiples of B's rows. Element (i, p) of A is at a + i * ars + p * aks; rows of
 * B and C are contiguous. All strides are in bytes.
 */
export function gemmAxpy(
  a: usize, ars: usize, aks: usize, b: usize, brs: usize, c: usize, crs: usize, m: i32, n: i32, k: i32, alpha: f32,
): void {
  for (let j = 0; j < n; j += STRIP) {
    const width = min(STRIP, n - j);
    let bp = b + (<usize>j << 2);
    let ap = a;
    let p = k;
    for (; p >= 4; p -= 4) {
      for (let i = 0; i < m; i++) {
        const at = ap + <usize>i * ars;
        const ct = c + <usize>i * crs + (<usize>j << 2);
        const y0 = alpha * load<f32>(at);
        const y1 = alpha * load<f32>(at + aks);
        const y2 = alpha * load<f32>(at + 2 * aks);
        const y3 = alpha * load<f32>(at + 3 * aks);
        axpy4(ct, width, bp, brs, y0, y1, y2, y3);
      }
      ap += 4 * aks;
      bp += 4 * brs;
    }
    for (; p > 0; p--) {
      for (let i = 0; i < m; i++) {
        axpy1(c + <usize>i * crs + (<usize>j << 2), width, bp, alpha * load<f32>(ap + <usize>i * ars));
      }
      ap += aks;
      bp += brs;
    }
  }
}
