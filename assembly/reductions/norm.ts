// RMS and layer normalisation over rows of n floats, and their gradients.
import { dot } from "../simd/dot";
import { madd, loadPart, storePart, sumOf } from "../simd/lanes";

/** Number of rows that are summed in scratch memory before that sum is added to the total. */
const ROW_BLOCK: i32 = 64;

// @ts-ignore: decorator
@inline
function rmsRoot(x: usize, n: i32, eps: f32): f32 {
  return 1 / sqrt<f32>(dot(x, x, n) / <f32>n + eps);
}

function meanOf(x: usize, n: i32): f32 {
  const zero = f32x4.splat(0);
  const count = n;
  let s0 = zero;
  let s1 = zero;
  for (; n >= 8; n -= 8) {
    s0 = f32x4.add(s0, v128.load(x));
    s1 = f32x4.add(s1, v128.load(x, 16));
    x += 32;
  }
  for (; n > 0; n -= 4) {
    s0 = f32x4.add(s0, loadPart(x, n, zero));
    x += 16;
  }
  return sumOf(f32x4.add(s0, s1)) / <f32>count;
}

function layerRoot(x: usize, n: i32, mean: f32, eps: f32): f32 {
  const m = f32x4.splat(mean);
  const count = n;
  let s = f32x4.splat(0);
  for (; n > 0; n -= 4) {
    const c = f32x4.sub(loadPart(x, n, m), m);
    s = madd(c, c, s);
    x += 16;
  }
  return 1 / sqrt<f32>(sumOf(s) / <f32>count + eps);
}

export function rmsNorm(x: usize, weight: usize, out: usize, rows: i32, n: i32, eps: f32): void {
  const bytes = <usize>n << 2;
  const zero = f32x4.splat(0);
  for (; rows > 0; rows--) {
    const root = f32x4.splat(rmsRoot(x, n, eps));
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      const unit = f32x4.mul(loadPart(x + at, n - i, zero), root);
      storePart(out + at, f32x4.mul(unit, loadPart(weight + at, n - i, zero)), n - i);
    }
    x += bytes;
    out += bytes;
  }
}

export function rmsNormBackward(dy: usize, x: usize, weight: usize, dx: usize, rows: i32, n: i32, eps: f32): void {
  const bytes = <usize>n << 2;
  const zero = f32x4.splat(0);
  for (; rows > 0; rows--) {
    const root = rmsRoot(x, n, eps);
    let along = zero;
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      const g = f32x4.mul(loadPart(dy + at, n - i, zero), loadPart(weight + at, n - i, zero));
      along = madd(g, loadPart(x + at, n - i, zero), along);
    }
    const pull = f32x4.splat((-sumOf(along) * root * root) / <f32>n);
    const scale = f32x4.splat(root);
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      const g = f32x4.mul(loadPart(dy + at, n - i, zero), loadPart(weight + at, n - i, zero));
      storePart(dx + at, f32x4.mul(scale, madd(loadPart(x + at, n - i, zero), pull, g)), n - i);
    }
    dy += bytes;
    x += bytes;
    dx += bytes;
  }
}

/** Computes the gradient of rmsNorm's weight, dw [n]. `part` is scratch for n floats. */
export function rmsNormWeightBackward(dy: usize, x: usize, dw: usize, part: usize, rows: i32, n: i32, eps: f32): void {
  const bytes = <usize>n << 2;
  memory.fill(dw, 0, bytes);
  for (let start = 0; start < rows; start += ROW_BLOCK) {
    memory.fill(part, 0, bytes);
    for (let row = start; row < min(rows, start + ROW_BLOCK); row++) {
      addUnits(dy, x, part, n, 0, rmsRoot(x, n, eps));
      dy += bytes;
      x += bytes;
    }
    addRow(dw, part, n);
  }
}

/**
 * Computes part += dy * (x - mean) * root for a row of n floats. `root` is 1 / sqrt(v + eps), where v is the mean
 * square of x - mean.
 */
// @ts-ignore: decorator
@inline
function addUnits(dy: usize, x: usize, part: usize, n: i32, mean: f32, root: f32): void {
  const m = f32x4.splat(mean);
  const r = f32x4.splat(root);
  for (let i = 0; i < n; i += 4) {
    const at = <usize>i << 2;
    const unit = f32x4.mul(f32x4.sub(loadPart(x + at, n - i, m), m), r);
    storePart(part + at, madd(unit, loadPart(dy + at, n - i, m), loadPart(part + at, n - i, m)), n - i);
  }
}

function addRow(sum: usize, part: usize, n: i32): void {
  const zero = f32x4.splat(0);
  for (; n > 0; n -= 4) {
    storePart(sum, f32x4.add(loadPart(sum, n, zero), loadPart(part, n, zero)), n);
    sum += 16;
    part += 16;
  }
}

export function layerNorm(x: usize, weight: usize, bias: usize, out: usize, rows: i32, n: i32, eps: f32): void {
  const bytes = <usize>n << 2;
  const zero = f32x4.splat(0);
  for (; rows > 0; rows--) {
    const mean = meanOf(x, n);
    const m = f32x4.splat(mean);
    const root = f32x4.splat(layerRoot(x, n, mean, eps));
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      const unit = f32x4.mul(f32x4.sub(loadPart(x + at, n - i, m), m), root);
      storePart(out + at, madd(unit, loadPart(weight + at, n - i, zero), loadPart(bias + at, n - i, zero)), n - i);
    }
    x += bytes;
    out += bytes;
  }
}

export function layerNormBackward(dy: usize, x: usize, weight: usize, dx: usize, rows: i32, n: i32, eps: f32): void {
  const bytes = <usize>n << 2;
  const zero = f32x4.splat(0);
  for (; rows > 0; rows--) {
    const mean = meanOf(x, n);
    const m = f32x4.splat(mean);
    const root = layerRoot(x, n, mean, eps);
    let sum = zero;
    let along = zero;
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      const g = f32x4.mul(loadPart(dy + at, n - i, zero), loadPart(weight + at, n - i, zero));
      sum = f32x4.add(sum, g);
      along = madd(g, f32x4.sub(loadPart(x + at, n - i, m), m), along);
    }
    const level = f32x4.splat(sumOf(sum) / <f32>n);
    const pull = f32x4.splat((-sumOf(along) * root * root) / <f32>n);
    const scale = f32x4.splat(root);
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      const g = f32x4.mul(loadPart(dy + at, n - i, zero), loadPart(weight + at, n - i, zero));
      const c = f32x4.sub(loadPart(x + at, n - i, m), m);
      storePart(dx + at, f32x4.mul(scale, madd(c, pull, f32x4.sub(g, level))), n - i);
    }
    dy += bytes;
    x += bytes;
    dx += bytes;
  }
}

/** Computes the gradient of layerNorm's weight, dw [n]. `part` is scratch for n floats. */
export function layerNormWeightBackward(dy: usize, x: usize, dw: usize, part: usize, rows: i32, n: i32, eps: f32): void {
  const bytes = <usize>n << 2;
  memory.fill(dw, 0, bytes);
  for (let start = 0; start < rows; start += ROW_BLOCK) {
    memory.fill(part, 0, bytes);
    for (let row = start; row < min(rows, start + ROW_BLOCK); row++) {
      const mean = meanOf(x, n);
      addUnits(dy, x, part, n, mean, layerRoot(x, n, mean, eps));
      dy += bytes;
      x += bytes;
    }
    addRow(dw, part, n);
  }
}
