// Few rows times a weight, summed in the order of the register tiles: along k one by one, in blocks of KC, with each
// block's sum added to the previous value. So a row has the same bits alone as among many.
import { F32 } from "../formats/dtypes.gen";
import { unpackRow } from "../formats/dispatch/formats";
import { gemmAxpy } from "./gemmAxpy";
import { KC } from "./gemmBlock";
import { NR, ZEROS } from "./gemmTile";
import { addPair, firstHalves, lastHalves, zipFirst, zipLast, madd } from "../simd/lanes";
import { isWholeSpans, packedFew } from "./packedFew";
import { scaleInPlace } from "../simd/scaleInPlace";

/** Maximum number of rows of A for which the products in this file are used. */
export const FEW_ROWS: i32 = 4;

/** Number of columns of C that are summed in scratch memory at a time. */
const STRIP: i32 = 1024;

/** Bytes of the first part of scratch memory, a tile of C. */
const TILE_BYTES: usize = FEW_ROWS * NR * 4;
/** Bytes of the second part of scratch memory, the rows of A. The third part is a strip of the weight or of C. */
const A_BYTES: usize = FEW_ROWS * KC * 4;
export const FEW_SCRATCH: i32 = <i32>(TILE_BYTES + A_BYTES) + 4 * max(NR * KC, FEW_ROWS * STRIP);

/**
 * Computes tile[rows,8] += X[rows,k] * W[8,k]ᵀ. `rows` is a constant in each call. Rows of X and W are contiguous.
 * Blocks of 4 x 4 elements of W are transposed in registers.
 */
// @ts-ignore: decorator
@inline
function fewTile(
  rows: i32, x: usize, xrs: usize, w: usize, wrs: usize, tile: usize, k: i32,
): void {
  let w1 = w + wrs;
  let w2 = w1 + wrs;
  let w3 = w2 + wrs;
  let w4 = w3 + wrs;
  let w5 = w4 + wrs;
  let w6 = w5 + wrs;
  let w7 = w6 + wrs;
  let x1 = x + xrs;
  let x2 = x1 + xrs;
  let x3 = x2 + xrs;
  let c00 = v128.load(ZEROS);
  let c01 = v128.load(ZEROS);
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  for (; k >= 4; k -= 4) {
    let r0 = v128.load(w);
    let r1 = v128.load(w1);
    let r2 = v128.load(w2);
    let r3 = v128.load(w3);
    let lo01 = zipFirst(r0, r1);
    let hi01 = zipLast(r0, r1);
    let lo23 = zipFirst(r2, r3);
    let hi23 = zipLast(r2, r3);
    r0 = firstHalves(lo01, lo23);
    r1 = lastHalves(lo01, lo23);
    r2 = firstHalves(hi01, hi23);
    r3 = lastHalves(hi01, hi23);
    c00 = madd(v128.load32_splat(x), r0, c00);
    if (rows > 1) c10 = madd(v128.load32_splat(x1), r0, c10);
    if (rows > 2) c20 = madd(v128.load32_splat(x2), r0, c20);
    if (rows > 3) c30 = madd(v128.load32_splat(x3), r0, c30);
    c00 = madd(v128.load32_splat(x, 4), r1, c00);
    if (rows > 1) c10 = madd(v128.load32_splat(x1, 4), r1, c10);
    if (rows > 2) c20 = madd(v128.load32_splat(x2, 4), r1, c20);
    if (rows > 3) c30 = madd(v128.load32_splat(x3, 4), r1, c30);
    c00 = madd(v128.load32_splat(x, 8), r2, c00);
    if (rows > 1) c10 = madd(v128.load32_splat(x1, 8), r2, c10);
    if (rows > 2) c20 = madd(v128.load32_splat(x2, 8), r2, c20);
    if (rows > 3) c30 = madd(v128.load32_splat(x3, 8), r2, c30);
    c00 = madd(v128.load32_splat(x, 12), r3, c00);
    if (rows > 1) c10 = madd(v128.load32_splat(x1, 12), r3, c10);
    if (rows > 2) c20 = madd(v128.load32_splat(x2, 12), r3, c20);
    if (rows > 3) c30 = madd(v128.load32_splat(x3, 12), r3, c30);
    r0 = v128.load(w4);
    r1 = v128.load(w5);
    r2 = v128.load(w6);
    r3 = v128.load(w7);
    lo01 = zipFirst(r0, r1);
    hi01 = zipLast(r0, r1);
    lo23 = zipFirst(r2, r3);
    hi23 = zipLast(r2, r3);
    r0 = firstHalves(lo01, lo23);
    r1 = lastHalves(lo01, lo23);
    r2 = firstHalves(hi01, hi23);
    r3 = lastHalves(hi01, hi23);
    c01 = madd(v128.load32_splat(x), r0, c01);
    if (rows > 1) c11 = madd(v128.load32_splat(x1), r0, c11);
    if (rows > 2) c21 = madd(v128.load32_splat(x2), r0, c21);
    if (rows > 3) c31 = madd(v128.load32_splat(x3), r0, c31);
    c01 = madd(v128.load32_splat(x, 4), r1, c01);
    if (rows > 1) c11 = madd(v128.load32_splat(x1, 4), r1, c11);
    if (rows > 2) c21 = madd(v128.load32_splat(x2, 4), r1, c21);
    if (rows > 3) c31 = madd(v128.load32_splat(x3, 4), r1, c31);
    c01 = madd(v128.load32_splat(x, 8), r2, c01);
    if (rows > 1) c11 = madd(v128.load32_splat(x1, 8), r2, c11);
    if (rows > 2) c21 = madd(v128.load32_splat(x2, 8), r2, c21);
    if (rows > 3) c31 = madd(v128.load32_splat(x3, 8), r2, c31);
    c01 = madd(v128.load32_splat(x, 12), r3, c01);
    if (rows > 1) c11 = madd(v128.load32_splat(x1, 12), r3, c11);
    if (rows > 2) c21 = madd(v128.load32_splat(x2, 12), r3, c21);
    if (rows > 3) c31 = madd(v128.load32_splat(x3, 12), r3, c31);
    x += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
    w += 16;
    w1 += 16;
    w2 += 16;
    w3 += 16;
    w4 += 16;
    w5 += 16;
    w6 += 16;
    w7 += 16;
  }
  for (; k > 0; k--) {
    const low = column(w, w1, w2, w3);
    const high = column(w4, w5, w6, w7);
    let v = v128.load32_splat(x);
    c00 = madd(v, low, c00);
    c01 = madd(v, high, c01);
    if (rows > 1) {
      v = v128.load32_splat(x1);
      c10 = madd(v, low, c10);
      c11 = madd(v, high, c11);
    }
    if (rows > 2) {
      v = v128.load32_splat(x2);
      c20 = madd(v, low, c20);
      c21 = madd(v, high, c21);
    }
    if (rows > 3) {
      v = v128.load32_splat(x3);
      c30 = madd(v, low, c30);
      c31 = madd(v, high, c31);
    }
    x += 4;
    x1 += 4;
    x2 += 4;
    x3 += 4;
    w += 4;
    w1 += 4;
    w2 += 4;
    w3 += 4;
    w4 += 4;
    w5 += 4;
    w6 += 4;
    w7 += 4;
  }
  addPair(tile, c00, c01);
  if (rows > 1) addPair(tile + 32, c10, c11);
  if (rows > 2) addPair(tile + 64, c20, c21);
  if (rows > 3) addPair(tile + 96, c30, c31);
}

/** Loads one float from each of four rows into a vector. */
// @ts-ignore: decorator
@inline
function column(a: usize, b: usize, c: usize, d: usize): v128 {
  return v128.load32_lane(d, v128.load32_lane(c, v128.load32_lane(b, v128.load32_zero(a), 1), 2), 3);
}

function few1(x: usize, xrs: usize, w: usize, wrs: usize, tile: usize, k: i32): void {
  fewTile(1, x, xrs, w, wrs, tile, k);
}

function few2(x: usize, xrs: usize, w: usize, wrs: usize, tile: usize, k: i32): void {
  fewTile(2, x, xrs, w, wrs, tile, k);
}

function few3(x: usize, xrs: usize, w: usize, wrs: usize, tile: usize, k: i32): void {
  fewTile(3, x, xrs, w, wrs, tile, k);
}

function few4(x: usize, xrs: usize, w: usize, wrs: usize, tile: usize, k: i32): void {
  fewTile(4, x, xrs, w, wrs, tile, k);
}

function few(
  rows: i32, x: usize, xrs: usize, w: usize, wrs: usize, tile: usize, k: i32,
): void {
  if (rows == 1) few1(x, xrs, w, wrs, tile, k);
  else if (rows == 2) few2(x, xrs, w, wrs, tile, k);
  else if (rows == 3) few3(x, xrs, w, wrs, tile, k);
  else few4(x, xrs, w, wrs, tile, k);
}

/** Copies `count` floats that are `step` bytes apart into a contiguous array. */
function gather(src: usize, step: usize, dst: usize, count: i32): void {
  for (; count > 0; count--) {
    store<u32>(dst, load<u32>(src));
    src += step;
    dst += 4;
  }
}

/** Copies a tile's columns to C if `toC` is true, otherwise from C. The columns of C are `ccs` bytes apart. */
// @ts-ignore: decorator
@inline
function copyTile(toC: bool, tile: usize, c: usize, crs: usize, ccs: usize, rows: i32, columns: i32): void {
  for (; rows > 0; rows--) {
    let at = c;
    for (let q: usize = 0; q < <usize>columns; q++) {
      if (toC) store<u32>(at, load<u32>(tile + (q << 2)));
      else store<u32>(tile + (q << 2), load<u32>(at));
      at += ccs;
    }
    c += crs;
    tile += NR << 2;
  }
}

/**
 * Computes the columns first..last-1 of C[m,n] = alpha * op(A)[m,k] * W[n,k]ᵀ, or C += ... if `add` is true, for m up
 * to FEW_ROWS. Element (i, p) of A is at a + i * ars + p * aks. W has the dtype `format`, starts at element `start`,
 * and its rows are `ld` elements apart. The eight rows of W in a tile are far apart (an eighth of all rows), since
 * memory is faster for eight long streams than for short ones. `scratch` has FEW_SCRATCH bytes.
 */
export function gemmFewT(
  a: usize, ars: usize, aks: usize, w: usize, format: i32, start: i32, ld: i32, c: usize, crs: usize,
  m: i32, k: i32, alpha: f32, add: bool, first: i32, last: i32, scratch: usize,
): void {
  const tile = scratch;
  const rowsOfA = tile + TILE_BYTES;
  const strip = rowsOfA + A_BYTES;
  const inPlace = format == F32 && alpha == 1;
  const packed = alpha == 1 && isWholeSpans(format, w, start, ld, k);
  const groups = (last - first) / NR;
  for (let g = 0; g <= groups; g++) {
    const whole = g < groups;
    const columns = whole ? NR : last - first - groups * NR;
    if (columns == 0) break;
    const apart = whole ? groups : 1;
    const j = first + (whole ? g : groups * NR);
    const to = c + (<usize>j << 2);
    const ccs = <usize>apart << 2;
    memory.fill(tile, 0, TILE_BYTES);
    if (add) copyTile(false, tile, to, crs, ccs, m, columns);
    for (let p = 0; p < k; p += KC) {
      const depth = min(KC, k - p);
      const bytes = <usize>depth << 2;
      const from = start + j * ld + p;
      let x = a + <usize>p * aks;
      let xrs = ars;
      if (aks != 4) {
        for (let i = 0; i < m; i++) gather(x + <usize>i * ars, aks, rowsOfA + <usize>i * bytes, depth);
        x = rowsOfA;
        xrs = bytes;
      }
      if (packed && whole) {
        packedFew(m, format, x, xrs, w, from, apart * ld, tile, NR << 2, depth, strip);
      } else if (inPlace && whole) {
        few(m, x, xrs, w + (<usize>from << 2), <usize>(apart * ld) << 2, tile, depth);
      } else {
        for (let i = 0; i < columns; i++) unpackRow(format, w, from + i * apart * ld, depth, strip + <usize>i * bytes);
        if (alpha != 1) scaleInPlace(strip, columns * depth, alpha);
        few(m, x, xrs, strip, bytes, tile, depth);
      }
    }
    copyTile(true, tile, to, crs, ccs, m, columns);
  }
}

/**
 * Computes C[m,n] = op(A)[m,k] * B[k,n], or C += ... if `add` is true, for m up to FEW_ROWS, reading each row of B once
 * and in order. `scratch` has FEW_SCRATCH bytes.
 */
export function gemmFew(
  a: usize, ars: usize, aks: usize, b: usize, brs: usize, c: usize, crs: usize, m: i32, n: i32, k: i32, add: bool, scratch: usize,
): void {
  for (let j = 0; j < n; j += STRIP) {
    const width = min(STRIP, n - j);
    const bytes = <usize>width << 2;
    for (let p = 0; p < k; p += KC) {
      memory.fill(scratch, 0, <usize>m * bytes);
      gemmAxpy(
        a + <usize>p * aks, ars, aks, b + <usize>p * brs + (<usize>j << 2), brs, scratch, bytes, m, width, min(KC, k - p), 1,
      );
      for (let i = 0; i < m; i++) {
        const to = c + <usize>i * crs + (<usize>j << 2);
        if (!add && p == 0) memory.fill(to, 0, bytes);
        addRow(to, scratch + <usize>i * bytes, width);
      }
    }
  }
}

function addRow(sum: usize, x: usize, n: i32): void {
  for (; n >= 4; n -= 4) {
    v128.store(sum, f32x4.add(v128.load(sum), v128.load(x)));
    sum += 16;
    x += 16;
  }
  for (; n > 0; n--) {
    store<f32>(sum, load<f32>(sum) + load<f32>(x));
    sum += 4;
    x += 4;
  }
}
