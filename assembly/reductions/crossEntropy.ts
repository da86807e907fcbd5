// Cross-entropy of rows of n logits against class labels. Labels must be valid: see findBadLabel.
import { loadPart, storePart, sumOf } from "../simd/lanes";
import { rowMax, sumExp } from "../simd/logSumExp";
import { expf4 } from "../simd/math";

/** Returns the index of the first label that is neither a class nor `ignored`, or -1. */
export function findBadLabel(labels: usize, rows: i32, classes: i32, ignored: i32): i32 {
  for (let i = 0; i < rows; i++) {
    const label = load<i32>(labels + (<usize>i << 2));
    if (label != ignored && <u32>label >= <u32>classes) return i;
  }
  return -1;
}

function countRows(labels: usize, rows: i32, ignored: i32): i32 {
  let count = 0;
  for (let i = 0; i < rows; i++) if (load<i32>(labels + (<usize>i << 2)) != ignored) count++;
  return count;
}

/** Returns the sum of x - top over n floats. */
function sumBelow(x: usize, n: i32, top: f32): f64 {
  const shift = f32x4.splat(top);
  let total: f64 = 0;
  while (n > 0) {
    let sum = f32x4.splat(0);
    for (let m = min(256, n); m > 0; m -= 4) {
      sum = f32x4.add(sum, f32x4.sub(loadPart(x, m, shift), shift));
      x += 16;
    }
    total += <f64>sumOf(sum);
    n -= 256;
  }
  return total;
}

/**
 * Returns target · (x - top), where target is the label's one-hot vector, blended with the uniform distribution by
 * `smoothing`. The loss is log(sum(exp(x - top))) minus this value.
 */
function targetBelow(x: usize, n: i32, label: i32, smoothing: f64, top: f32): f64 {
  const hit = <f64>load<f32>(x + (<usize>label << 2)) - <f64>top;
  return smoothing == 0 ? hit : (1 - smoothing) * hit + (smoothing * sumBelow(x, n, top)) / <f64>n;
}

/**
 * Computes the gradient of a row of logits: dx = factor * (exp(x - top - log) - target), where the exponential is the
 * softmax probability. dx may have the address of x.
 */
function rowGradient(
  x: usize, dx: usize, n: i32, label: i32, top: f32, log: f32, smoothing: f64, factor: f32,
): void {
  const shift = f32x4.splat(top);
  const rest = f32x4.splat(log);
  const even = f32x4.splat(<f32>(smoothing / <f64>n));
  const scale = f32x4.splat(factor);
  for (let i = 0; i < n; i += 4) {
    const at = <usize>i << 2;
    const p = expf4(f32x4.sub(f32x4.sub(loadPart(x + at, n - i, shift), shift), rest));
    storePart(dx + at, f32x4.mul(scale, f32x4.sub(p, even)), n - i);
  }
  const hit = dx + (<usize>label << 2);
  store<f32>(hit, load<f32>(hit) - factor * <f32>(1 - smoothing));
}

/**
 * Overwrites a row of x = exp(logit - shift) with the gradient of its logits: factor * (x * share - target). `share` is
 * 1 / the sum of the row, so that x * share is the softmax probability.
 */
function scaleRow(x: usize, n: i32, label: i32, smoothing: f64, factor: f32, share: f32): void {
  const scale = f32x4.splat(factor * share);
  const even = f32x4.splat(factor * <f32>(smoothing / <f64>n));
  for (let i = 0; i < n; i += 4) {
    const p = x + (<usize>i << 2);
    storePart(p, f32x4.sub(f32x4.mul(loadPart(p, n - i, scale), scale), even), n - i);
  }
  const hit = x + (<usize>label << 2);
  store<f32>(hit, load<f32>(hit) - factor * <f32>(1 - smoothing));
}

/**
 * Computes the loss of `rows` rows of n logits. `reduction` is 0 for one loss per row, 1 for their sum, 2 for their
 * mean. Writes each row's largest logit and log(sum(exp(logit - largest))) to `sums`.
 */
export function crossEntropy(
  x: usize, labels: usize, loss: usize, sums: usize, rows: i32, n: i32, ignored: i32, smoothing: f64, reduction: i32,
): void {
  const count = countRows(labels, rows, ignored);
  let total: f64 = 0;
  for (let row = 0; row < rows; row++) {
    const label = load<i32>(labels);
    let value: f64 = 0;
    let top: f32 = 0;
    let log: f64 = 0;
    if (label != ignored) {
      top = rowMax(x, n);
      log = Math.log(sumExp(x, 0, n, top));
      value = log - targetBelow(x, n, label, smoothing, top);
    }
    store<f32>(sums, top);
    store<f32>(sums, <f32>log, 4);
    if (reduction == 0) store<f32>(loss + (<usize>row << 2), <f32>value);
    total += value;
    x += <usize>n << 2;
    labels += 4;
    sums += 8;
  }
  if (reduction) store<f32>(loss, <f32>(reduction == 2 ? total / <f64>count : total));
}

export function crossEntropyBackward(
  dloss: usize, x: usize, labels: usize, sums: usize, dx: usize, rows: i32, n: i32, ignored: i32, smoothing: f64, reduction: i32,
): void {
  const bytes = <usize>n << 2;
  const share: f32 = reduction == 2 ? 1 / <f32>countRows(labels, rows, ignored) : 1;
  for (let row = 0; row < rows; row++) {
    const label = load<i32>(labels);
    const factor = share * load<f32>(reduction == 0 ? dloss + (<usize>row << 2) : dloss);
    if (label == ignored) memory.fill(dx, 0, bytes);
    else rowGradient(x, dx, n, label, load<f32>(sums), load<f32>(sums, 4), smoothing, factor);
    x += bytes;
    dx += bytes;
    labels += 4;
    sums += 8;
  }
}

/** Writes the indices of the rows whose label is not ignored to `indices`. Returns their number. */
export function selectRows(labels: usize, indices: usize, rows: i32, ignored: i32): i32 {
  let count = 0;
  for (let row = 0; row < rows; row++) {
    if (load<i32>(labels + (<usize>row << 2)) == ignored) continue;
    store<i32>(indices + (<usize>count << 2), row);
    count++;
  }
  return count;
}

/**
 * Copies rows of `bytes` bytes: row indices[i] of x to row i of out or, if `scatter` is 1, row i of x to row indices[i]
 * of out.
 */
export function copyRows(x: usize, indices: usize, out: usize, count: i32, bytes: i32, scatter: i32): void {
  for (let i = 0; i < count; i++) {
    const picked = <usize>load<i32>(indices + (<usize>i << 2)) * <usize>bytes;
    const whole = <usize>i * <usize>bytes;
    if (scatter) memory.copy(out + picked, x + whole, bytes);
    else memory.copy(out + whole, x + picked, bytes);
  }
}

/**
 * Computes the losses of a chunk of `count` rows, and writes them to `losses` as f64. `indices` lists the positions of
 * these rows' labels in `labels`. If `gradient` is 1, overwrites the logits [count, n] with their gradients times
 * `factor`.
 */
export function crossEntropyChunk(
  x: usize, labels: usize, indices: usize, losses: usize, count: i32, n: i32, smoothing: f64, factor: f32, gradient: i32,
): void {
  for (let i = 0; i < count; i++) {
    const label = load<i32>(labels + (<usize>load<i32>(indices + (<usize>i << 2)) << 2));
    const top = rowMax(x, n);
    const target = targetBelow(x, n, label, smoothing, top);
    const mass = sumExp(x, gradient ? x : 0, n, top);
    store<f64>(losses + (<usize>i << 3), Math.log(mass) - target);
    if (gradient) scaleRow(x, n, label, smoothing, factor, <f32>(1 / mass));
    x += <usize>n << 2;
  }
}

/** Writes `factor` times the sum of `count` f64 losses to `loss`. */
export function finishLoss(losses: usize, count: i32, loss: usize, factor: f64): void {
  let total: f64 = 0;
  for (let i = 0; i < count; i++) total += load<f64>(losses + (<usize>i << 3));
  store<f32>(loss, <f32>(total * factor));
}
