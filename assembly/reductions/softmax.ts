// Softmax and its logarithm over rows of n floats, and their gradients.
import { scratch } from "../simd/gemmState";
import { loadPart, storePart, sumOf } from "../simd/lanes";
import { BLOCK, rowMax, sumExp } from "../simd/logSumExp";
import { expAll } from "../simd/math";

export function softmax(x: usize, out: usize, rows: i32, n: i32): void {
  const bytes = <usize>n << 2;
  for (; rows > 0; rows--) {
    const inverse = f32x4.splat(<f32>(1 / sumExp(x, out, n, rowMax(x, n))));
    for (let i = 0; i < n; i += 4) {
      const p = out + (<usize>i << 2);
      storePart(p, f32x4.mul(loadPart(p, n - i, inverse), inverse), n - i);
    }
    x += bytes;
    out += bytes;
  }
}

export function softmaxBackward(dy: usize, y: usize, dx: usize, rows: i32, n: i32): void {
  const zero = f32x4.splat(0);
  const bytes = <usize>n << 2;
  for (; rows > 0; rows--) {
    let total: f64 = 0;
    for (let start = 0; start < n; start += BLOCK) {
      let sum = zero;
      for (let i = start; i < min(n, start + BLOCK); i += 4) {
        const at = <usize>i << 2;
        sum = f32x4.add(sum, f32x4.mul(loadPart(dy + at, n - i, zero), loadPart(y + at, n - i, zero)));
      }
      total += <f64>sumOf(sum);
    }
    const mean = f32x4.splat(<f32>total);
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      const d = f32x4.sub(loadPart(dy + at, n - i, zero), mean);
      storePart(dx + at, f32x4.mul(loadPart(y + at, n - i, zero), d), n - i);
    }
    dy += bytes;
    y += bytes;
    dx += bytes;
  }
}

export function logSoftmax(x: usize, out: usize, rows: i32, n: i32): void {
  const bytes = <usize>n << 2;
  for (; rows > 0; rows--) {
    const largest = rowMax(x, n);
    const top = f32x4.splat(largest);
    // Subtracted after the maximum: if both were added first, the sum would be rounded to the maximum's precision.
    const log = f32x4.splat(<f32>Math.log(sumExp(x, 0, n, largest)));
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      storePart(out + at, f32x4.sub(f32x4.sub(loadPart(x + at, n - i, top), top), log), n - i);
    }
    x += bytes;
    out += bytes;
  }
}

export function logSoftmaxBackward(dy: usize, y: usize, dx: usize, rows: i32, n: i32): void {
  const zero = f32x4.splat(0);
  const bytes = <usize>n << 2;
  for (; rows > 0; rows--) {
    let total: f64 = 0;
    for (let start = 0; start < n; start += BLOCK) {
      let sum = zero;
      for (let i = start; i < min(n, start + BLOCK); i += 4) sum = f32x4.add(sum, loadPart(dy + (<usize>i << 2), n - i, zero));
      total += <f64>sumOf(sum);
    }
    const sum = f32x4.splat(<f32>total);
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      const inBlock = <usize>(i & (BLOCK - 1)) << 2;
      if (inBlock == 0) expAll(y + at, scratch, min(BLOCK, n - i), 1, 0);
      const p = f32x4.mul(v128.load(scratch + inBlock), sum);
      storePart(dx + at, f32x4.sub(loadPart(dy + at, n - i, zero), p), n - i);
    }
    dy += bytes;
    y += bytes;
    dx += bytes;
  }
}
