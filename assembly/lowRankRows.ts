// y + scaling (x Aᵀ) Bᵀ for vectors of a batch that have factors of their own. For few vectors
// the time goes into reading A and B, so f32 and f16 ones are read as they lie. A vector's sums
// have one order, whichever vectors, tasks and formats are beside it.
import { F16, F32 } from "./dtypes.gen";
import { madd } from "./gemmTile";
import { HALF_CONSTANTS, unpackBf16, unpackF16 } from "./half";
import { loadPart, storePart } from "./lanes";

/**
 * A task: the addresses of A and B, their formats, the rank, the scaling, the first vector and
 * their count, and room for count x rank floats and a panel.
 */
const TASK: usize = 36;

/** Floats of a weight that are widened at a time, where four rows are no more. */
const PANEL: i32 = 1024;

/** Bytes of the room that a task needs; a panel if its factors are not f32. */
export function lowRankRoom(count: i32, rank: i32, inFeatures: i32, widens: i32): i32 {
  return (count * rank + (widens ? max(PANEL, max(inFeatures, rank) << 2) : 0)) << 2;
}

/** Writes task `i`; one of rank 0 copies its vectors of y. */
export function setLowRankTask(
  table: usize, i: i32, a: usize, b: usize, formatA: i32, formatB: i32, rank: i32, scaling: f32, vector: i32, count: i32,
  room: usize,
): void {
  const task = table + <usize>i * TASK;
  store<usize>(task, a);
  store<usize>(task, b, 4);
  store<i32>(task, formatA, 8);
  store<i32>(task, formatB, 12);
  store<i32>(task, rank, 16);
  store<f32>(task, scaling, 20);
  store<i32>(task, vector, 24);
  store<i32>(task, count, 28);
  store<usize>(task, room, 32);
}

/** Does the tasks first..last-1 of a table; no two of them share a vector. */
export function lowRankRows(
  x: usize, y: usize, out: usize, inFeatures: i32, outFeatures: i32, table: usize, first: i32, last: i32,
): void {
  const xrs = <usize>inFeatures << 2;
  const yrs = <usize>outFeatures << 2;
  const end = table + <usize>last * TASK;
  for (let task = table + <usize>first * TASK; task < end; task += TASK) {
    const rank = load<i32>(task, 16);
    const vector = <usize>load<i32>(task, 24);
    const count = load<i32>(task, 28);
    const from = y + vector * yrs;
    const to = out + vector * yrs;
    if (rank == 0) {
      memory.copy(to, from, <usize>count * yrs);
      continue;
    }
    const low = load<usize>(task, 32);
    const scaling = load<f32>(task, 20);
    const panel = low + (<usize>(count * rank) << 2);
    products(load<i32>(task, 8), x + vector * xrs, load<usize>(task), low, 0, count, rank, inFeatures, scaling, panel);
    products(load<i32>(task, 12), low, load<usize>(task, 4), to, from, count, outFeatures, rank, 1, panel);
  }
}

/**
 * True for f16 codes without infinities and NaN. It reads them in the order of memory, so that they
 * are in the cache when the products take them row by row.
 */
function areFinite(codes: usize, count: i32): bool {
  const step = i16x8.splat(0x400);
  let any = i16x8.splat(0);
  for (; count >= 8; count -= 8) {
    const v = v128.load(codes);
    // An exponent of all ones carries into the sign.
    any = v128.or(any, v128.xor(i16x8.add(v, step), v));
    codes += 16;
  }
  let rest = 0;
  for (let i: usize = 0; i < <usize>count; i++) {
    const code = <i32>load<u16>(codes + (i << 1));
    rest |= (code + 0x400) ^ code;
  }
  return i16x8.bitmask(any) == 0 && (rest & 0x8000) == 0;
}

/**
 * C[count,n] = alpha * X[count,k] * W[n,k]ᵀ, plus D[count,n] unless d is 0. Finite f16 weights are
 * widened in registers. Others of f16 and bf16 are widened a few rows at a time, in `panel`.
 */
function products(
  format: i32, x: usize, w: usize, c: usize, d: usize, count: i32, n: i32, k: i32, alpha: f32, panel: usize,
): void {
  if (format == F16 && !(k & 3) && areFinite(w, n * k)) {
    allVectors(1, x, w, c, d, count, n, n, k, alpha);
    return;
  }
  const block = format == F32 ? n : max(4, (PANEL / max(1, k)) & ~3);
  for (let j = 0; j < n; j += block) {
    const columns = min(block, n - j);
    let rows = w + (<usize>(j * k) << 2);
    if (format != F32) {
      const codes = w + (<usize>(j * k) << 1);
      if (format == F16) unpackF16(codes, columns * k, panel);
      else unpackBf16(codes, columns * k, panel);
      rows = panel;
    }
    const at = <usize>j << 2;
    allVectors(0, x, rows, c + at, d ? d + at : 0, count, columns, n, k, alpha);
  }
}

/** Computes `columns` of the n columns of C, two rows at a time. */
// @ts-ignore: decorator
@inline
function allVectors(
  half: i32, x: usize, w: usize, c: usize, d: usize, count: i32, columns: i32, n: i32, k: i32, alpha: f32,
): void {
  const crs = <usize>n << 2;
  for (; count >= 2; count -= 2) {
    vectors(2, half, x, w, c, crs, d, columns, k, alpha);
    x += <usize>k << 3;
    c += crs << 1;
    if (d) d += crs << 1;
  }
  if (count) vectors(1, half, x, w, c, crs, d, columns, k, alpha);
}

/** The sums of four vectors' lanes. */
// @ts-ignore: decorator
@inline
function sums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  return f32x4.add(v128.shuffle<f32>(ab, cd, 0, 1, 4, 5), v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
}

/** Stores up to four results. */
// @ts-ignore: decorator
@inline
function put(c: usize, d: usize, at: usize, value: v128, alpha: v128, count: i32): void {
  const scaled = f32x4.mul(value, alpha);
  storePart(c + at, d ? f32x4.add(loadPart(d + at, count, scaled), scaled) : scaled, count);
}

/** Four numbers of a weight, of f16 if `half`. */
// @ts-ignore: decorator
@inline
function four(half: i32, p: usize, mask: v128, power: v128): v128 {
  if (!half) return v128.load(p);
  return f32x4.mul(v128.and(i32x4.shl(v128.load_ext<i16>(p), 13), mask), power);
}

/**
 * Computes `rows` rows of C, 1 or 2, which are `crs` bytes apart, for n rows of a weight of f32, or
 * of finite f16 numbers if `half`; k is then a multiple of four.
 */
// @ts-ignore: decorator
@inline
function vectors(
  rows: i32, half: i32, x: usize, w: usize, c: usize, crs: usize, d: usize, n: i32, k: i32, alpha: f32,
): void {
  const zero = f32x4.splat(0);
  const scale = f32x4.splat(alpha);
  const mask = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const xrs = <usize>k << 2;
  const wrs = <usize>k << (half ? 1 : 2);
  const step: usize = half ? 8 : 16;
  const whole = <usize>(k & ~3) << 2;
  const rest = half ? 0 : k & 3;
  for (let j = 0; j < n; j += 4) {
    const left = n - j;
    let w0 = w;
    let w1 = left > 1 ? w0 + wrs : w0;
    let w2 = left > 2 ? w1 + wrs : w0;
    let w3 = left > 3 ? w2 + wrs : w0;
    let a0 = zero;
    let a1 = zero;
    let a2 = zero;
    let a3 = zero;
    let b0 = zero;
    let b1 = zero;
    let b2 = zero;
    let b3 = zero;
    let at = x;
    for (const end = x + whole; at < end; at += 16) {
      const u = v128.load(at);
      const v = rows == 2 ? v128.load(at + xrs) : zero;
      let f = four(half, w0, mask, power);
      a0 = madd(f, u, a0);
      if (rows == 2) b0 = madd(f, v, b0);
      f = four(half, w1, mask, power);
      a1 = madd(f, u, a1);
      if (rows == 2) b1 = madd(f, v, b1);
      f = four(half, w2, mask, power);
      a2 = madd(f, u, a2);
      if (rows == 2) b2 = madd(f, v, b2);
      f = four(half, w3, mask, power);
      a3 = madd(f, u, a3);
      if (rows == 2) b3 = madd(f, v, b3);
      w0 += step;
      w1 += step;
      w2 += step;
      w3 += step;
    }
    if (rest) {
      const u = loadPart(at, rest, zero);
      const v = rows == 2 ? loadPart(at + xrs, rest, zero) : zero;
      const f0 = loadPart(w0, rest, zero);
      const f1 = loadPart(w1, rest, zero);
      const f2 = loadPart(w2, rest, zero);
      const f3 = loadPart(w3, rest, zero);
      a0 = madd(f0, u, a0);
      a1 = madd(f1, u, a1);
      a2 = madd(f2, u, a2);
      a3 = madd(f3, u, a3);
      if (rows == 2) {
        b0 = madd(f0, v, b0);
        b1 = madd(f1, v, b1);
        b2 = madd(f2, v, b2);
        b3 = madd(f3, v, b3);
      }
    }
    const to = <usize>j << 2;
    put(c, d, to, sums(a0, a1, a2, a3), scale, left);
    if (rows == 2) put(c, d, to + crs, sums(b0, b1, b2, b3), scale, left);
    w += wrs << 2;
  }
}
