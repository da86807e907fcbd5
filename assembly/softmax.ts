import { loadPart, maxOf, storePart, sumOf } from "./lanes";
import { expf4 } from "./math";

/** Floats summed in single precision before the sum goes on in double. */
const BLOCK: i32 = 256;

/** The largest of n floats. A NaN is passed over: it comes back when the row is summed. */
export function rowMax(x: usize, n: i32): f32 {
  const floor = f32x4.splat(-Infinity);
  let top = floor;
  for (; n >= 16; n -= 16) {
    const a = f32x4.pmax(v128.load(x), v128.load(x, 16));
    const b = f32x4.pmax(v128.load(x, 32), v128.load(x, 48));
    top = f32x4.pmax(top, f32x4.pmax(a, b));
    x += 64;
  }
  for (; n > 0; n -= 4) {
    top = f32x4.pmax(top, loadPart(x, n, floor));
    x += 16;
  }
  return maxOf(top);
}

/** The sum of exp(x - shift) over n floats, which are written to `out` where it is not 0. */
export function sumExp(x: usize, out: usize, n: i32, shift: f32): f64 {
  const s = f32x4.splat(shift);
  const floor = f32x4.splat(-Infinity);
  let total: f64 = 0;
  while (n > 0) {
    let sum = f32x4.splat(0);
    for (let m = min(BLOCK, n); m > 0; m -= 4) {
      const e = expf4(f32x4.sub(loadPart(x, m, floor), s));
      sum = f32x4.add(sum, e);
      if (out) {
        storePart(out, e, m);
        out += 16;
      }
      x += 16;
    }
    total += <f64>sumOf(sum);
    n -= BLOCK;
  }
  return total;
}

/** max + log(sum(exp(x - max))) of n floats. */
export function rowLogSumExp(x: usize, n: i32): f32 {
  const top = rowMax(x, n);
  return top + <f32>Math.log(sumExp(x, 0, n, top));
}

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
    const shift = f32x4.splat(rowLogSumExp(x, n));
    for (let i = 0; i < n; i += 4) {
      const at = <usize>i << 2;
      storePart(out + at, f32x4.sub(loadPart(x + at, n - i, shift), shift), n - i);
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
      const p = f32x4.mul(expf4(loadPart(y + at, n - i, zero)), sum);
      storePart(dx + at, f32x4.sub(loadPart(dy + at, n - i, zero), p), n - i);
    }
    dy += bytes;
    y += bytes;
    dx += bytes;
  }
}
