// Maxima and minima over planes, as `sumPlane` computes sums, and along one dimension with their indices.
import { loadPart, storePart } from "../simd/lanes";
import { better, rowExtremum } from "./rowExtremum";

// @ts-ignore: decorator
@inline
function plane(smallest: bool, x: usize, out: usize, rows: i32, n: i32, rowStride: i32, step: i32): void {
  for (; rows > 0; rows--) {
    if (step == 0) {
      const one = better(smallest, v128.load32_splat(out), f32x4.splat(rowExtremum(smallest, x, n)));
      v128.store32_lane(out, one, 0);
    } else {
      for (let j = 0; j < n; j += 4) {
        const at = <usize>j << 2;
        const zero = f32x4.splat(0);
        storePart(out + at, better(smallest, loadPart(out + at, n - j, zero), loadPart(x + at, n - j, zero)), n - j);
      }
    }
    x += <usize>n << 2;
    out += <usize>rowStride << 2;
  }
}

/**
 * Reduces a contiguous plane of `rows` x `n` floats to minima or maxima: element (r, j) is combined into out[r *
 * rowStride + j * step], where `step` is 0 or 1. The caller fills `out` with infinities first.
 */
export function extremumPlane(x: usize, out: usize, rows: i32, n: i32, rowStride: i32, step: i32, smallest: i32): void {
  if (smallest) plane(true, x, out, rows, n, rowStride, step);
  else plane(false, x, out, rows, n, rowStride, step);
}

/**
 * Returns a mask of the lanes that do not beat `top`. If `smallest` is true, a lane beats `top` by being smaller,
 * otherwise by being larger. NaN beats every number.
 */
// @ts-ignore: decorator
@inline
function within(smallest: bool, lanes: v128, top: v128): v128 {
  return smallest ? f32x4.ge(lanes, top) : f32x4.le(lanes, top);
}

/** Returns the index, from j on, of the first of n floats that is NaN or beats `top`; n if there is none. */
// @ts-ignore: decorator
@inline
function firstBeyond(smallest: bool, x: usize, j: i32, n: i32, top: f32): i32 {
  const wanted = f32x4.splat(top);
  for (; j + 16 <= n; j += 16) {
    const p = x + (<usize>j << 2);
    const low = v128.and(within(smallest, v128.load(p), wanted), within(smallest, v128.load(p, 16), wanted));
    const high = v128.and(within(smallest, v128.load(p, 32), wanted), within(smallest, v128.load(p, 48), wanted));
    if (i32x4.bitmask(v128.and(low, high)) != 15) break;
  }
  for (; j + 4 <= n; j += 4) {
    const kept = i32x4.bitmask(within(smallest, v128.load(x + (<usize>j << 2)), wanted));
    if (kept != 15) return j + ctz(~kept);
  }
  for (; j < n; j++) {
    const v = load<f32>(x + (<usize>j << 2));
    if (!(smallest ? v >= top : v <= top)) break;
  }
  return j;
}

/**
 * Returns the index of the extremum of n floats. If there are NaNs, it is the first NaN; otherwise it is the first of
 * equal extrema. From each best value so far, searches for the next better one. This is fast because few values of a
 * row beat all values before them.
 */
// @ts-ignore: decorator
@inline
function positionIn(smallest: bool, x: usize, n: i32): i32 {
  let at = 0;
  let next = 0;
  do {
    at = next;
    const top = load<f32>(x + (<usize>at << 2));
    next = top == top ? firstBeyond(smallest, x, at + 1, n, top) : n;
  } while (next < n);
  return at;
}

/**
 * Computes the smallest or largest element of each column of x [n, inner], for inner > 1, and its row index. It
 * processes four columns at a time, row after row.
 */
// @ts-ignore: decorator
@inline
function lanes(smallest: bool, x: usize, values: usize, positions: usize, n: i32, inner: i32): void {
  const bytes = <usize>inner << 2;
  for (let c = 0; c < inner; c += 4) {
    const at = <usize>c << 2;
    const zero = f32x4.splat(0);
    let best = loadPart(x + at, inner - c, zero);
    let position = i32x4.splat(0);
    for (let j = 1; j < n; j++) {
      const v = loadPart(x + at + <usize>j * bytes, inner - c, zero);
      const beats = smallest ? f32x4.lt(v, best) : f32x4.gt(v, best);
      const wins = v128.or(beats, v128.and(f32x4.ne(v, v), f32x4.eq(best, best)));
      best = v128.bitselect(v, best, wins);
      position = v128.bitselect(i32x4.splat(j), position, wins);
    }
    storePart(values + at, best, inner - c);
    storePart(positions + at, position, inner - c);
  }
}

// @ts-ignore: decorator
@inline
function along(smallest: bool, x: usize, values: usize, positions: usize, outer: i32, n: i32, inner: i32): void {
  for (; outer > 0; outer--) {
    if (inner == 1) {
      const at = positionIn(smallest, x, n);
      store<i32>(positions, at);
      store<f32>(values, load<f32>(x + (<usize>at << 2)));
    } else {
      lanes(smallest, x, values, positions, n, inner);
    }
    x += (<usize>n * <usize>inner) << 2;
    values += <usize>inner << 2;
    positions += <usize>inner << 2;
  }
}

/** Computes the extremum along n of [outer, n, inner] and its index. n is at least 1. */
export function extremum(x: usize, values: usize, positions: usize, outer: i32, n: i32, inner: i32, smallest: i32): void {
  if (smallest) along(true, x, values, positions, outer, n, inner);
  else along(false, x, values, positions, outer, n, inner);
}
