// Maxima and sums of exponentials over rows, on which softmax, cross-entropy and attention stand.
import { loadPart, maxOf, storePart, sumOf } from "./lanes";
import { expf4 } from "./math";

/** Floats summed in single precision before the sum goes on in double. */
export const BLOCK: i32 = 256;

/** The largest of n floats, or NaN where there is one. */
export function rowMax(x: usize, n: i32): f32 {
  const floor = f32x4.splat(-Infinity);
  let top = floor;
  for (; n >= 16; n -= 16) {
    const a = f32x4.max(v128.load(x), v128.load(x, 16));
    const b = f32x4.max(v128.load(x, 32), v128.load(x, 48));
    top = f32x4.max(top, f32x4.max(a, b));
    x += 64;
  }
  for (; n > 0; n -= 4) {
    top = f32x4.max(top, loadPart(x, n, floor));
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
    let m = min(BLOCK, n);
    if (out) {
      for (; m >= 4; m -= 4) {
        const e = expf4(f32x4.sub(v128.load(x), s));
        v128.store(out, e);
        sum = f32x4.add(sum, e);
        x += 16;
        out += 16;
      }
    } else {
      for (; m >= 4; m -= 4) {
        sum = f32x4.add(sum, expf4(f32x4.sub(v128.load(x), s)));
        x += 16;
      }
    }
    if (m > 0) {
      const e = expf4(f32x4.sub(loadPart(x, m, floor), s));
      if (out) storePart(out, e, m);
      sum = f32x4.add(sum, e);
    }
    total += <f64>sumOf(sum);
    n -= BLOCK;
  }
  return total;
}
