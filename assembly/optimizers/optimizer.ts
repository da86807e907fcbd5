// Optimiser steps and gradient clipping, in place.
import { madd, loadPart, storePart } from "../simd/lanes";
import { close, isClosed, notFinite } from "./guard";
import { scaleInPlace } from "../simd/scaleInPlace";
import { countOf, endOf, ROW, rowOf, startOf } from "../simd/segments";

/**
 * Runs one step of Adam. Updates the moments m and v with the gradient plus `decay` * p, then computes p = p * shrink -
 * stepSize * m / (sqrt(v) * rootFactor + eps). Processes the blocks first..last-1 of a table of arrays, whose rows list
 * p, gradient, m and v. Does nothing if one of the `guardSize` floats at `guard` is not finite. If `test` is 1, writes
 * no results, but sets the last of these floats to NaN if a result would not be finite.
 */
export function adamStep(
  table: usize, first: i32, last: i32, beta1: f32, rest1: f32, beta2: f32, rest2: f32, stepSize: f32, rootFactor: f32,
  eps: f32, shrink: f32, decay: f32, guard: usize, guardSize: i32, test: i32,
): void {
  if (!test && isClosed(guard, guardSize)) return;
  for (let row = rowOf(table, first); first < last; row += ROW) {
    const at = startOf(row, first);
    const bad = adam(
      load<usize>(row, 8) + at, load<usize>(row, 12) + at, load<usize>(row, 16) + at, load<usize>(row, 20) + at,
      countOf(row, first, last), beta1, rest1, beta2, rest2, stepSize, rootFactor, eps, shrink, decay, test,
    );
    if (bad) close(guard, guardSize);
    first = endOf(row);
  }
}

function adam(
  p: usize, grad: usize, m: usize, v: usize, n: i32, beta1: f32, rest1: f32, beta2: f32, rest2: f32,
  stepSize: f32, rootFactor: f32, eps: f32, shrink: f32, decay: f32, test: i32,
): bool {
  const zero = f32x4.splat(0);
  let bad = zero;
  for (; n > 0; n -= 4) {
    let x = loadPart(p, n, zero);
    const g = madd(f32x4.splat(decay), x, loadPart(grad, n, zero));
    const first = madd(f32x4.splat(beta1), loadPart(m, n, zero), f32x4.mul(f32x4.splat(rest1), g));
    const second = madd(f32x4.splat(beta2), loadPart(v, n, zero), f32x4.mul(f32x4.mul(f32x4.splat(rest2), g), g));
    const root = madd(f32x4.sqrt(second), f32x4.splat(rootFactor), f32x4.splat(eps));
    x = f32x4.sub(f32x4.mul(x, f32x4.splat(shrink)), f32x4.div(f32x4.mul(f32x4.splat(stepSize), first), root));
    if (test) {
      bad = v128.or(bad, v128.or(notFinite(x, n), v128.or(notFinite(first, n), notFinite(second, n))));
    } else {
      storePart(p, x, n);
      storePart(m, first, n);
      storePart(v, second, n);
    }
    p += 16;
    grad += 16;
    m += 16;
    v += 16;
  }
  return v128.any_true(bad);
}

/** One step of SGD. `buffer` is the address of the momentum buffer, 0 without momentum. */
export function sgdStep(
  p: usize, grad: usize, buffer: usize, n: i32, lr: f32, decay: f32, momentum: f32, rest: f32, nesterov: i32, first: i32,
  guard: usize, guardSize: i32, test: i32,
): void {
  if (!test && isClosed(guard, guardSize)) return;
  const zero = f32x4.splat(0);
  let bad = zero;
  const rate = f32x4.splat(-lr);
  const factor = f32x4.splat(momentum);
  for (; n > 0; n -= 4) {
    const x = loadPart(p, n, zero);
    let g = madd(f32x4.splat(decay), x, loadPart(grad, n, zero));
    if (buffer) {
      const b = first ? g : madd(factor, loadPart(buffer, n, zero), f32x4.mul(f32x4.splat(rest), g));
      if (test) bad = v128.or(bad, notFinite(b, n));
      else storePart(buffer, b, n);
      g = nesterov ? madd(factor, b, g) : b;
      buffer += 16;
    }
    const moved = madd(rate, g, x);
    if (test) bad = v128.or(bad, notFinite(moved, n));
    else storePart(p, moved, n);
    p += 16;
    grad += 16;
  }
  if (v128.any_true(bad)) close(guard, guardSize);
}

export function adagradStep(
  p: usize, grad: usize, sum: usize, n: i32, lr: f32, decay: f32, eps: f32, guard: usize, guardSize: i32, test: i32,
): void {
  if (!test && isClosed(guard, guardSize)) return;
  const zero = f32x4.splat(0);
  let bad = zero;
  for (; n > 0; n -= 4) {
    const x = loadPart(p, n, zero);
    const g = madd(f32x4.splat(decay), x, loadPart(grad, n, zero));
    const s = madd(g, g, loadPart(sum, n, zero));
    const root = f32x4.add(f32x4.sqrt(s), f32x4.splat(eps));
    const moved = f32x4.sub(x, f32x4.div(f32x4.mul(f32x4.splat(lr), g), root));
    if (test) {
      bad = v128.or(bad, v128.or(notFinite(s, n), notFinite(moved, n)));
    } else {
      storePart(sum, s, n);
      storePart(p, moved, n);
    }
    p += 16;
    grad += 16;
    sum += 16;
  }
  if (v128.any_true(bad)) close(guard, guardSize);
}

/** One step of RMSprop. `buffer` is the address of the momentum buffer, 0 without momentum. */
export function rmspropStep(
  p: usize, grad: usize, mean: usize, buffer: usize, n: i32, lr: f32, decay: f32, alpha: f32, rest: f32, eps: f32, momentum: f32,
  guard: usize, guardSize: i32, test: i32,
): void {
  if (!test && isClosed(guard, guardSize)) return;
  const zero = f32x4.splat(0);
  let bad = zero;
  for (; n > 0; n -= 4) {
    const x = loadPart(p, n, zero);
    const g = madd(f32x4.splat(decay), x, loadPart(grad, n, zero));
    const s = madd(f32x4.splat(alpha), loadPart(mean, n, zero), f32x4.mul(f32x4.mul(f32x4.splat(rest), g), g));
    if (test) bad = v128.or(bad, notFinite(s, n));
    else storePart(mean, s, n);
    let move = f32x4.div(g, f32x4.add(f32x4.sqrt(s), f32x4.splat(eps)));
    if (buffer) {
      move = madd(f32x4.splat(momentum), loadPart(buffer, n, zero), move);
      if (test) bad = v128.or(bad, notFinite(move, n));
      else storePart(buffer, move, n);
      buffer += 16;
    }
    const moved = f32x4.sub(x, f32x4.mul(f32x4.splat(lr), move));
    if (test) bad = v128.or(bad, notFinite(moved, n));
    else storePart(p, moved, n);
    p += 16;
    grad += 16;
    mean += 16;
  }
  if (v128.any_true(bad)) close(guard, guardSize);
}

/**
 * Computes the sum of squares of each of the blocks first..last-1 of a table of arrays, as f64. The sum of block i is
 * written to sums[i].
 */
export function sumSquares(table: usize, first: i32, last: i32, sums: usize): void {
  for (let row = rowOf(table, first); first < last; row += ROW) {
    for (const end = min(endOf(row), last); first < end; first++) {
      const sum = squares(load<usize>(row, 8) + startOf(row, first), countOf(row, first, first + 1));
      store<f64>(sums + (<usize>first << 3), sum);
    }
  }
}

function squares(x: usize, n: i32): f64 {
  const zero = f32x4.splat(0);
  let low = f64x2.splat(0);
  let high = low;
  for (; n > 0; n -= 4) {
    const v = loadPart(x, n, zero);
    const a = f64x2.promote_low_f32x4(v);
    const b = f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 0, 1));
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
    x += 16;
  }
  const s = f64x2.add(low, high);
  return f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
}

/** Writes the square root of the sum of `n` f64 values to `out`. */
export function rootOfSum(sums: usize, n: i32, out: usize): void {
  let total: f64 = 0;
  for (; n > 0; n--) {
    total += load<f64>(sums);
    sums += 8;
  }
  store<f32>(out, <f32>sqrt<f64>(total));
}

/** Computes x += alpha * y over n floats. */
export function axpy(x: usize, y: usize, n: i32, alpha: f32): void {
  const zero = f32x4.splat(0);
  const a = f32x4.splat(alpha);
  for (; n > 0; n -= 4) {
    storePart(x, madd(a, loadPart(y, n, zero), loadPart(x, n, zero)), n);
    x += 16;
    y += 16;
  }
}

/**
 * Multiplies the blocks first..last-1 of a table of arrays by min(1, maxNorm / (n + 1e-6)), where n is the f32 stored
 * at the address `norm`. If n is NaN, all results are NaN.
 */
export function clipToNorm(table: usize, first: i32, last: i32, norm: usize, maxNorm: f32): void {
  const ratio = maxNorm / (load<f32>(norm) + 1e-6);
  if (ratio >= 1) return;
  for (let row = rowOf(table, first); first < last; row += ROW) {
    scaleInPlace(load<usize>(row, 8) + startOf(row, first), countOf(row, first, last), ratio);
    first = endOf(row);
  }
}
