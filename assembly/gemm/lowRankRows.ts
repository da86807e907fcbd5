// y + scaling (x Aᵀ) Bᵀ for the vectors of a batch, each with its own factors. For few vectors most of the time is
// spent reading A and B, so f32 and f16 factors are read in place. The order of a vector's sums does not depend on the
// other vectors, tasks and formats of the batch.
import { F16, F32 } from "../formats/dtypes.gen";
import { madd, loadPart, storePart } from "../simd/lanes";
import { HALF_CONSTANTS, unpackBf16, unpackF16 } from "../formats/half";
import { LINE, readByTurns } from "../simd/readAhead";

/**
 * Size in bytes of an entry in the table of pairs of LoRA factors (A and B). Its six words are the addresses of A and
 * B, their kinds, the rank and the scaling.
 */
const PAIR: usize = 24;

/**
 * Size in bytes of an entry in the table of tasks. Its three words are the index of a pair, the index of the first row
 * of x and y, and the number of rows. If the pair is -1, the task copies the rows of y unchanged.
 */
const TASK: usize = 12;

/**
 * Number of floats of a factor that are converted to f32 at a time. At least four rows are converted, even if they have
 * more floats.
 */
const PANEL: i32 = 1024;

/**
 * Returns the size in bytes of the scratch memory for a task: count x rank floats. If the highest `kind` of all factors
 * requires conversion in scratch memory, room for that is included.
 */
export function lowRankRoom(count: i32, rank: i32, inFeatures: i32, kind: i32): i32 {
  return (count * rank + (needsPanel(kind) ? max(PANEL, max(inFeatures, rank) << 2) : 0)) << 2;
}

/**
 * Runs the tasks first..last-1 of a table: each adds the LoRA update of some rows of x to the same rows of y, and
 * writes the sums to `out`. No two tasks share a row. Task i has `room` bytes of scratch at `rooms` + i * `room`; see
 * `lowRankRoom`.
 */
export function lowRankRows(
  x: usize, y: usize, out: usize, inFeatures: i32, outFeatures: i32, pairs: usize, tasks: usize, rooms: usize,
  room: usize, first: i32, last: i32,
): void {
  const xrs = <usize>inFeatures << 2;
  const yrs = <usize>outFeatures << 2;
  const end = tasks + <usize>last * TASK;
  let low = rooms + <usize>first * room;
  let ahead = tasks + <usize>first * TASK;
  for (let task = ahead; task < end; task += TASK, low += room) {
    const vector = <usize>load<i32>(task, 4);
    const count = load<i32>(task, 8);
    const from = y + vector * yrs;
    const to = out + vector * yrs;
    if (load<i32>(task) < 0) {
      memory.copy(to, from, <usize>count * yrs);
      continue;
    }
    if (task >= ahead) ahead = readAhead(pairs, task, end, inFeatures, outFeatures, low, room);
    const pair = pairOf(pairs, task);
    const rank = load<i32>(pair, 16);
    const scaling = load<f32>(pair, 20);
    const panel = low + (<usize>(count * rank) << 2);
    products(load<i32>(pair, 8), x + vector * xrs, load<usize>(pair), low, 0, count, rank, inFeatures, scaling, panel);
    products(load<i32>(pair, 12), low, load<usize>(pair, 4), to, from, count, outFeatures, rank, 1, panel);
  }
}

/**
 * Returns the address of the pair of factors that a task uses. For a task without a pair (-1), the result must not be
 * used.
 */
// @ts-ignore: decorator
@inline
function pairOf(pairs: usize, task: usize): usize {
  return pairs + <usize>max(0, load<i32>(task)) * PAIR;
}

/** Minimum number of tasks whose factors are loaded into the cache at a time. */
const LEAST_AHEAD: i32 = 4;
/** Maximum number of tasks whose factors are loaded into the cache at a time. */
const MOST_AHEAD: i32 = 16;

/**
 * Limit in bytes for the factors that are loaded ahead. At this size no further tasks are added, except to reach
 * LEAST_AHEAD tasks. Factors of this size fit into a cache.
 */
const BYTES_AHEAD: usize = 1 << 18;

/**
 * Loads the factors of some tasks, from `task` on, into the cache. Overwrites the first words of the tasks' scratch
 * memory.
 */
function readAhead(
  pairs: usize, task: usize, end: usize, inFeatures: i32, outFeatures: i32, rooms: usize, room: usize,
): usize {
  let bytes: usize = 0;
  let count = 0;
  let last = task;
  for (; last < end && (count < LEAST_AHEAD || (count < MOST_AHEAD && bytes < BYTES_AHEAD)); count++) {
    const pair = pairOf(pairs, last);
    bytes += bytesOf(pair, 0, inFeatures) + bytesOf(pair, 4, outFeatures);
    last += TASK;
  }
  const any = readFactors(pairs, task, last, inFeatures, outFeatures, false, rooms, room);
  store<i32>(rooms, any | readFactors(pairs, task, last, inFeatures, outFeatures, true, rooms, room));
  return last;
}

/**
 * Loads the factors A and B of each task into the cache. If B directly follows A in memory, as usual, both are loaded
 * as one piece, because few long streams are faster than many short ones. Otherwise loads only A; a second call with
 * `rest` true then loads only the factors B that do not follow their A.
 */
function readFactors(
  pairs: usize, task: usize, last: usize, inFeatures: i32, outFeatures: i32, rest: bool, rooms: usize, room: usize,
): i32 {
  let at = rooms;
  let count = 0;
  for (let next = task; next < last; next += TASK) {
    const pair = pairOf(pairs, next);
    const a = load<usize>(pair);
    const b = load<usize>(pair, 4);
    const aEnd = a + bytesOf(pair, 0, inFeatures);
    const bEnd = b + bytesOf(pair, 4, outFeatures);
    const follows = b - aEnd < LINE;
    if (rest && follows) continue;
    store<usize>(at, rest ? b : a);
    store<usize>(at, max(1, rest ? bEnd - b : (follows ? bEnd : aEnd) - a) - 1, 4);
    at += room;
    count++;
  }
  return readByTurns(rooms, room, count);
}

/**
 * Returns the size in bytes of one factor of a pair: of A if `word` is 0, of B if it is 4. `features` is the size of
 * the factor's dimension other than the rank.
 */
function bytesOf(pair: usize, word: usize, features: i32): usize {
  const count = <usize>(load<i32>(pair, 16) * features);
  const shift = load<i32>(pair + word, 8) == FLOATS ? 2 : 1;
  return count << shift;
}

/** Kind of a factor: f32, which needs no conversion. The kind of a factor selects how it is multiplied. */
const FLOATS: i32 = 0;
/** Kind of a factor: f16 without infinities and NaN, which is converted in registers. */
const HALVES: i32 = 1;
/**
 * Kind of a factor: f16 with many subnormal values. They are scaled during conversion, since subnormal floats are slow
 * on CPUs.
 */
const SMALL_HALVES: i32 = 2;
/**
 * Kind of a factor: f16 with an infinity, a NaN, or a row length that is not a multiple of 4. It is converted in
 * scratch memory, a few rows at a time. The next kind, BRAINS, is any bf16 factor; it is converted in the same way.
 */
const ANY_HALVES: i32 = 3;
const BRAINS: i32 = 4;

/** Returns true for kinds that are converted in scratch memory. */
function needsPanel(kind: i32): bool {
  return kind >= ANY_HALVES;
}

/** Returns the kind of a factor [n,k], such as FLOATS or HALVES. Call it again if the factor's values change. */
export function factorKind(dtype: i32, codes: usize, n: i32, k: i32): i32 {
  if (dtype == F32) return FLOATS;
  if (dtype != F16) return BRAINS;
  if ((k & 3) != 0 || !areFinite(codes, n * k)) return ANY_HALVES;
  return areSmall(codes, n * k) ? SMALL_HALVES : HALVES;
}

/**
 * Number of values of a factor that are checked for subnormal ones. A sample is enough, since the values of a factor
 * usually have similar magnitudes.
 */
const SAMPLE: i32 = 256;

/** Returns true if `count` f16 values have no infinity and no NaN. */
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
 * Returns true if a value has a magnitude below 2^-14, including zero. Checks only the first SAMPLE of the f16 values.
 */
function areSmall(codes: usize, count: i32): bool {
  let least = i16x8.splat(0x7fff);
  for (const end = codes + (<usize>(min(count, SAMPLE) & ~7) << 1); codes < end; codes += 16) {
    least = i16x8.min_u(least, i16x8.shl(v128.load(codes), 1));
  }
  return v128.any_true(i16x8.lt_u(least, i16x8.splat(0x800)));
}

/** Computes C[count,n] = alpha * X[count,k] * W[n,k]ᵀ, plus D[count,n] unless d is 0. `kind` is the kind of W. */
function products(
  kind: i32, x: usize, w: usize, c: usize, d: usize, count: i32, n: i32, k: i32, alpha: f32, panel: usize,
): void {
  if (kind == HALVES) allVectors(HALVES, x, w, c, d, count, n, n, k, alpha);
  else if (kind == SMALL_HALVES) allVectors(SMALL_HALVES, x, w, c, d, count, n, n, k, alpha);
  else if (kind == FLOATS) allVectors(FLOATS, x, w, c, d, count, n, n, k, alpha);
  else widened(kind, x, w, c, d, count, n, k, alpha, panel);
}

/**
 * Does the same as `products` for a W with 16-bit elements, which are first converted to f32 in the scratch memory
 * `panel`.
 */
function widened(
  kind: i32, x: usize, w: usize, c: usize, d: usize, count: i32, n: i32, k: i32, alpha: f32, panel: usize,
): void {
  const block = max(4, (PANEL / max(1, k)) & ~3);
  for (let j = 0; j < n; j += block) {
    const columns = min(block, n - j);
    const codes = w + (<usize>(j * k) << 1);
    if (kind == ANY_HALVES) unpackF16(codes, columns * k, panel);
    else unpackBf16(codes, columns * k, panel);
    const at = <usize>j << 2;
    allVectors(FLOATS, x, panel, c + at, d ? d + at : 0, count, columns, n, k, alpha);
  }
}

/** Computes `columns` of the n columns of C, two rows at a time. */
// @ts-ignore: decorator
@inline
function allVectors(
  kind: i32, x: usize, w: usize, c: usize, d: usize, count: i32, columns: i32, n: i32, k: i32, alpha: f32,
): void {
  const crs = <usize>n << 2;
  for (; count >= 2; count -= 2) {
    vectors(2, kind, x, w, c, crs, d, columns, k, alpha);
    x += <usize>k << 3;
    c += crs << 1;
    if (d) d += crs << 1;
  }
  if (count == 0) return;
  const done = kind != FLOATS && k == 8 ? columns & ~3 : 0;
  eights(kind, x, w, c, d, done, alpha);
  const at = <usize>done << 2;
  vectors(1, kind, x, w + 4 * at, c + at, crs, d ? d + at : 0, columns - done, k, alpha);
}

/** Returns one vector: lane i is the sum of the four lanes of the i-th argument. */
// @ts-ignore: decorator
@inline
function sums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  return f32x4.add(v128.shuffle<f32>(ab, cd, 0, 1, 4, 5), v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
}

/** Stores up to four results times alpha, plus the elements of D unless d is 0. */
// @ts-ignore: decorator
@inline
function put(c: usize, d: usize, at: usize, value: v128, alpha: v128, count: i32): void {
  const scaled = f32x4.mul(value, alpha);
  storePart(c + at, d ? f32x4.add(loadPart(d + at, count, scaled), scaled) : scaled, count);
}

/**
 * Constants for converting f16 values of the kind SMALL_HALVES: a mask, an addition of 112 to the exponent, the sign
 * bit, and 2^-14. They are loaded before a loop, since V8 would build them again at each use.
 */
const SMALL_CONSTANTS: usize = memory.data<u32>([0x8fffe000, 0x38000000, 0x80000000, 0x38800000]);

// @ts-ignore: decorator
@inline
function constant(kind: i32, i: usize): v128 {
  return v128.load32_splat((kind == SMALL_HALVES ? SMALL_CONSTANTS : HALF_CONSTANTS) + 4 * i);
}

/**
 * Loads four elements of a factor as f32. `kind` is the kind of the factor. The other arguments are constants for the
 * conversion from this kind.
 */
// @ts-ignore: decorator
@inline
function four(kind: i32, p: usize, mask: v128, raise: v128, sign: v128, least: v128): v128 {
  if (kind == FLOATS) return v128.load(p);
  const bits = v128.and(i32x4.shl(v128.load_ext<i16>(p), 13), mask);
  if (kind == HALVES) return f32x4.mul(bits, raise);
  // Adds the hidden bit as if all values were normal: a subnormal value becomes half of its true value plus 2^-15.
  // Doubling it and subtracting 2^-14 corrects these, and makes others larger.
  const normal = i32x4.add(bits, raise);
  const doubled = f32x4.sub(f32x4.add(normal, normal), v128.or(v128.and(normal, sign), least));
  return i32x4.min_u(normal, doubled);
}

/** Computes a row of C for n rows of an f16 weight, eight elements at a time. n is a multiple of four. */
// @ts-ignore: decorator
@inline
function eights(kind: i32, x: usize, w: usize, c: usize, d: usize, n: i32, alpha: f32): void {
  if (n == 0) return;
  const zero = f32x4.splat(0);
  const scale = f32x4.splat(alpha);
  const mask = constant(kind, 0);
  const raise = constant(kind, 1);
  const sign = constant(kind, 2);
  const least = constant(kind, 3);
  const u = v128.load(x);
  const v = v128.load(x, 16);
  for (const end = c + (<usize>n << 2); c < end; c += 16) {
    const a = madd(four(kind, w + 8, mask, raise, sign, least), v, madd(four(kind, w, mask, raise, sign, least), u, zero));
    const b = madd(four(kind, w + 24, mask, raise, sign, least), v, madd(four(kind, w + 16, mask, raise, sign, least), u, zero));
    const e = madd(four(kind, w + 40, mask, raise, sign, least), v, madd(four(kind, w + 32, mask, raise, sign, least), u, zero));
    const f = madd(four(kind, w + 56, mask, raise, sign, least), v, madd(four(kind, w + 48, mask, raise, sign, least), u, zero));
    put(c, d, 0, sums(a, b, e, f), scale, 4);
    w += 64;
    if (d) d += 16;
  }
}

/**
 * Computes one or two `rows` of C, which are `crs` bytes apart, for n rows of an f32 or f16 weight. For f16, k is a
 * multiple of four.
 */
// @ts-ignore: decorator
@inline
function vectors(
  rows: i32, kind: i32, x: usize, w: usize, c: usize, crs: usize, d: usize, n: i32, k: i32, alpha: f32,
): void {
  const zero = f32x4.splat(0);
  const scale = f32x4.splat(alpha);
  const mask = constant(kind, 0);
  const raise = constant(kind, 1);
  const sign = constant(kind, 2);
  const least = constant(kind, 3);
  const xrs = <usize>k << 2;
  const wrs = <usize>k << (kind != FLOATS ? 1 : 2);
  const step: usize = kind != FLOATS ? 8 : 16;
  const whole = <usize>(k & ~3) << 2;
  const rest = kind != FLOATS ? 0 : k & 3;
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
      let f = four(kind, w0, mask, raise, sign, least);
      a0 = madd(f, u, a0);
      if (rows == 2) b0 = madd(f, v, b0);
      f = four(kind, w1, mask, raise, sign, least);
      a1 = madd(f, u, a1);
      if (rows == 2) b1 = madd(f, v, b1);
      f = four(kind, w2, mask, raise, sign, least);
      a2 = madd(f, u, a2);
      if (rows == 2) b2 = madd(f, v, b2);
      f = four(kind, w3, mask, raise, sign, least);
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
