// y + scaling (x Aᵀ) Bᵀ for vectors of a batch that have factors of their own: A and B are
// read once for one or two vectors, as they lie. A vector's sums have one order, whichever
// vectors, tasks and formats are beside it.
import { BF16, F16 } from "./dtypes.gen";
import { madd } from "./gemmTile";
import { HALF_CONSTANTS, widenHalves } from "./half";
import { loadPart, storePart } from "./lanes";

/**
 * A task: the addresses of A and B, their formats, the rank, the scaling, the first vector and
 * their count, and room for count x rank floats.
 */
const TASK: usize = 36;

/** Writes task `i`; one of rank 0 copies its vectors of y. */
export function setLowRankTask(
  table: usize, i: i32, a: usize, b: usize, formatA: i32, formatB: i32, rank: i32, scaling: f32, vector: i32, count: i32,
  low: usize,
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
  store<usize>(task, low, 32);
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
    products(load<i32>(task, 8), x + vector * xrs, load<usize>(task), low, 0, count, rank, inFeatures, scaling);
    products(load<i32>(task, 12), low, load<usize>(task, 4), to, from, count, outFeatures, rank, 1);
  }
}

/** C[count,n] = alpha * X[count,k] * W[n,k]ᵀ, plus D[count,n] unless d is 0. */
function products(
  format: i32, x: usize, w: usize, c: usize, d: usize, count: i32, n: i32, k: i32, alpha: f32,
): void {
  const xrs = <usize>k << 2;
  const crs = <usize>n << 2;
  while (count > 0) {
    let done = 1;
    if (format == F16) halfVector(F16, x, w, c, d, n, k, alpha);
    else if (format == BF16) halfVector(BF16, x, w, c, d, n, k, alpha);
    else if (count == 1) vectors(1, x, w, c, d, n, k, alpha);
    else {
      vectors(2, x, w, c, d, n, k, alpha);
      done = 2;
    }
    x += xrs * done;
    c += crs * done;
    if (d) d += crs * done;
    count -= done;
  }
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

/** `rows` vectors, 1 or 2, times an f32 weight. */
// @ts-ignore: decorator
@inline
function vectors(rows: i32, x: usize, w: usize, c: usize, d: usize, n: i32, k: i32, alpha: f32): void {
  const zero = f32x4.splat(0);
  const scale = f32x4.splat(alpha);
  const wrs = <usize>k << 2;
  const crs = <usize>n << 2;
  const whole = <usize>(k & ~3) << 2;
  const rest = k & 3;
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
      const v = rows == 2 ? v128.load(at + wrs) : zero;
      let f = v128.load(w0);
      a0 = madd(f, u, a0);
      if (rows == 2) b0 = madd(f, v, b0);
      f = v128.load(w1);
      a1 = madd(f, u, a1);
      if (rows == 2) b1 = madd(f, v, b1);
      f = v128.load(w2);
      a2 = madd(f, u, a2);
      if (rows == 2) b2 = madd(f, v, b2);
      f = v128.load(w3);
      a3 = madd(f, u, a3);
      if (rows == 2) b3 = madd(f, v, b3);
      w0 += 16;
      w1 += 16;
      w2 += 16;
      w3 += 16;
    }
    if (rest) {
      const u = loadPart(at, rest, zero);
      const v = rows == 2 ? loadPart(at + wrs, rest, zero) : zero;
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

/** Four codes, or the first `count`, 1 to 3, and zeros, each in a lane. */
// @ts-ignore: decorator
@inline
function codesPart(p: usize, count: i32): v128 {
  let v = v128.load16_lane(p, i32x4.splat(0), 0);
  if (count > 1) v = v128.load16_lane(p + 2, v, 1);
  if (count > 2) v = v128.load16_lane(p + 4, v, 2);
  return i32x4.extend_low_i16x8_s(v);
}

/** One vector times an f16 or bf16 weight. */
// @ts-ignore: decorator
@inline
function halfVector(format: i32, x: usize, w: usize, c: usize, d: usize, n: i32, k: i32, alpha: f32): void {
  const zero = f32x4.splat(0);
  const mask = v128.load32_splat(HALF_CONSTANTS);
  const power = v128.load32_splat(HALF_CONSTANTS, 4);
  const limit = v128.load32_splat(HALF_CONSTANTS, 8);
  const exponent = v128.load32_splat(HALF_CONSTANTS, 12);
  const scale = f32x4.splat(alpha);
  const wrs = <usize>k << 1;
  const whole = <usize>(k & ~3) << 2;
  const rest = k & 3;
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
    let at = x;
    for (const end = x + whole; at < end; at += 16) {
      const u = v128.load(at);
      a0 = madd(widen(format, v128.load_ext<i16>(w0), mask, power, limit, exponent), u, a0);
      a1 = madd(widen(format, v128.load_ext<i16>(w1), mask, power, limit, exponent), u, a1);
      a2 = madd(widen(format, v128.load_ext<i16>(w2), mask, power, limit, exponent), u, a2);
      a3 = madd(widen(format, v128.load_ext<i16>(w3), mask, power, limit, exponent), u, a3);
      w0 += 8;
      w1 += 8;
      w2 += 8;
      w3 += 8;
    }
    if (rest) {
      const u = loadPart(at, rest, zero);
      a0 = madd(widen(format, codesPart(w0, rest), mask, power, limit, exponent), u, a0);
      a1 = madd(widen(format, codesPart(w1, rest), mask, power, limit, exponent), u, a1);
      a2 = madd(widen(format, codesPart(w2, rest), mask, power, limit, exponent), u, a2);
      a3 = madd(widen(format, codesPart(w3, rest), mask, power, limit, exponent), u, a3);
    }
    put(c, d, <usize>j << 2, sums(a0, a1, a2, a3), scale, left);
    w += wrs << 2;
  }
}

/** Codes of f16 or bf16, each sign-extended to a lane, as f32. */
// @ts-ignore: decorator
@inline
function widen(format: i32, codes: v128, mask: v128, power: v128, limit: v128, exponent: v128): v128 {
  return format == BF16 ? i32x4.shl(codes, 16) : widenHalves(codes, mask, power, limit, exponent);
}
