// Packing: blocks of A and B as k-major panels, which tiles read in order and which make transposes free.
import { MR, NR } from "./gemmTile";
import { unpackRow } from "../formats/dispatch/formats";
import { firstHalves, lastHalves, storePair, zipFirst, zipLast } from "../simd/lanes";

/**
 * Copies a 4 x 4 block of floats and transposes it. Source rows are `srs` bytes apart, rows of the result `drs` bytes.
 */
// @ts-ignore: decorator
@inline
function transpose4(src: usize, srs: usize, dst: usize, drs: usize, scale: v128): void {
  const r0 = v128.load(src);
  const r1 = v128.load(src + srs);
  const r2 = v128.load(src + 2 * srs);
  const r3 = v128.load(src + 3 * srs);
  const lo01 = zipFirst(r0, r1);
  const hi01 = zipLast(r0, r1);
  const lo23 = zipFirst(r2, r3);
  const hi23 = zipLast(r2, r3);
  v128.store(dst, f32x4.mul(scale, firstHalves(lo01, lo23)));
  v128.store(dst + drs, f32x4.mul(scale, lastHalves(lo01, lo23)));
  v128.store(dst + 2 * drs, f32x4.mul(scale, firstHalves(hi01, hi23)));
  v128.store(dst + 3 * drs, f32x4.mul(scale, lastHalves(hi01, hi23)));
}

/**
 * Copies an 8 x 4 block of floats and transposes it. Each row of eight floats in the result is stored as a pair of
 * vectors.
 */
// @ts-ignore: decorator
@inline
function transpose8(src: usize, srs: usize, dst: usize, drs: usize, scale: v128): void {
  const r0 = v128.load(src);
  const r1 = v128.load(src + srs);
  const r2 = v128.load(src + 2 * srs);
  const r3 = v128.load(src + 3 * srs);
  const r4 = v128.load(src + 4 * srs);
  const r5 = v128.load(src + 5 * srs);
  const r6 = v128.load(src + 6 * srs);
  const r7 = v128.load(src + 7 * srs);
  const lo01 = zipFirst(r0, r1);
  const hi01 = zipLast(r0, r1);
  const lo23 = zipFirst(r2, r3);
  const hi23 = zipLast(r2, r3);
  const lo45 = zipFirst(r4, r5);
  const hi45 = zipLast(r4, r5);
  const lo67 = zipFirst(r6, r7);
  const hi67 = zipLast(r6, r7);
  storePair(dst, f32x4.mul(scale, firstHalves(lo01, lo23)), f32x4.mul(scale, firstHalves(lo45, lo67)));
  dst += drs;
  storePair(dst, f32x4.mul(scale, lastHalves(lo01, lo23)), f32x4.mul(scale, lastHalves(lo45, lo67)));
  dst += drs;
  storePair(dst, f32x4.mul(scale, firstHalves(hi01, hi23)), f32x4.mul(scale, firstHalves(hi45, hi67)));
  dst += drs;
  storePair(dst, f32x4.mul(scale, lastHalves(hi01, hi23)), f32x4.mul(scale, lastHalves(hi45, hi67)));
}

/** Copies eight floats and multiplies them by `scale`. */
// @ts-ignore: decorator
@inline
function copyPair(src: usize, dst: usize, scale: v128): void {
  storePair(dst, f32x4.mul(scale, v128.load(src)), f32x4.mul(scale, v128.load(src, 16)));
}

/** Packs MR rows of A[MR, k], which are `ars` bytes apart, into a k-major panel: MR values for each element of k. */
export function packA(src: usize, ars: usize, dst: usize, k: i32): void {
  const one = f32x4.splat(1);
  const width: usize = MR << 2;
  for (; k >= 4; k -= 4) {
    transpose4(src, ars, dst, width, one);
    const r4 = v128.load(src + 4 * ars);
    if (MR == 6) {
      const r5 = v128.load(src + 5 * ars);
      const lo = zipFirst(r4, r5);
      const hi = zipLast(r4, r5);
      v128.store64_lane(dst, lo, 0, 16);
      v128.store64_lane(dst + width, lo, 1, 16);
      v128.store64_lane(dst + 2 * width, hi, 0, 16);
      v128.store64_lane(dst + 3 * width, hi, 1, 16);
    } else {
      v128.store32_lane(dst, r4, 0, 16);
      v128.store32_lane(dst + width, r4, 1, 16);
      v128.store32_lane(dst + 2 * width, r4, 2, 16);
      v128.store32_lane(dst + 3 * width, r4, 3, 16);
    }
    src += 16;
    dst += 4 * width;
  }
  for (; k > 0; k--) {
    for (let i: usize = 0; i < <usize>MR; i++) store<u32>(dst + (i << 2), load<u32>(src + i * ars));
    src += 4;
    dst += width;
  }
}

/** Packs a panel as `packA` does, from A stored as its transpose [k, MR] with rows `aks` bytes apart. */
export function packAT(src: usize, aks: usize, dst: usize, k: i32): void {
  for (; k > 0; k--) {
    v128.store(dst, v128.load(src));
    if (MR == 6) store<u64>(dst, load<u64>(src, 16), 16);
    else store<u32>(dst, load<u32>(src, 16), 16);
    src += aks;
    dst += MR << 2;
  }
}

/**
 * Packs alpha * B[k, n], whose rows are `bks` bytes apart, into k-major panels of 8 columns. Panels are `panelBytes`
 * apart; the last one is padded with zeros.
 */
export function packB(src: usize, bks: usize, dst: usize, k: i32, n: i32, alpha: f32, panelBytes: usize): void {
  const scale = f32x4.splat(alpha);
  const full = n >> 3;
  for (let k0 = 0; k0 < k; k0 += 8) {
    const rows = min(8, k - k0);
    let s = src + <usize>k0 * bks;
    let d = dst + (<usize>k0 << 5);
    for (let panel = 0; panel < full; panel++) {
      let sp = s;
      let dp = d;
      for (let p = 0; p < rows; p++) {
        copyPair(sp, dp, scale);
        sp += bks;
        dp += 32;
      }
      s += 32;
      d += panelBytes;
    }
  }
  const rest = n & 7;
  if (!rest) return;
  src += <usize>full << 5;
  dst += <usize>full * panelBytes;
  while (k--) {
    for (let j = 0; j < rest; j++) store<f32>(dst + (<usize>j << 2), alpha * load<f32>(src + (<usize>j << 2)));
    for (let j = rest; j < NR; j++) store<f32>(dst + (<usize>j << 2), 0);
    src += bks;
    dst += 32;
  }
}

/**
 * Packs `count` rows or columns ("lines") of k elements, times `alpha`, into one k-major panel of `width` lines, padded
 * with zeros. Element p of line i is at src + i * line + p * step; one of the two strides is 4.
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
        for (let i: usize = 0; i < row; i += 32) {
          transpose8(from, line, to + i, row, scale);
          from += line << 3;
        }
      }
    } else {
      done = k;
      for (let p = 0; p < k; p++) {
        const from = src + <usize>p * step;
        const to = dst + <usize>p * row;
        for (let i: usize = 0; i < row; i += 32) copyPair(from + i, to + i, scale);
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

/** Packs panels as `packB` does, from B stored as its transpose [n, k] with rows `brs` bytes apart. */
export function packBT(src: usize, brs: usize, dst: usize, k: i32, n: i32, alpha: f32): void {
  for (; n > 0; n -= NR) {
    packPanel(src, brs, 4, dst, k, min(NR, n), NR, alpha);
    src += brs << 3;
    dst += <usize>k << 5;
  }
}

/**
 * Number of weight rows that are converted to f32 at a time before packing. `packWeight` needs scratch for this many
 * rows.
 */
export const WEIGHT_ROWS: i32 = 8;

/**
 * Packs a block of a weight in any dtype, as packB does or, if `transB`, as packBT does. The block starts at element
 * `start` of the weight; its rows are `ld` elements apart.
 */
export function packWeight(
  format: i32, w: usize, start: i32, ld: i32, transB: bool, dst: usize, k: i32, n: i32, alpha: f32, strip: usize,
): void {
  const rows = transB ? n : k;
  const length = transB ? k : n;
  const lineBytes = <usize>length << 2;
  const panelBytes = <usize>k << 5;
  for (let i = 0; i < rows; i += WEIGHT_ROWS) {
    const count = min(WEIGHT_ROWS, rows - i);
    for (let r = 0; r < count; r++) unpackRow(format, w, start + (i + r) * ld, length, strip + <usize>r * lineBytes);
    if (transB) packBT(strip, lineBytes, dst + <usize>(i >> 3) * panelBytes, k, count, alpha);
    else packB(strip, lineBytes, dst + (<usize>i << 5), count, n, alpha, panelBytes);
  }
}
