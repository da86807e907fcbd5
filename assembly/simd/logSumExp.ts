// Maxima and sums of exponentials over rows, used by softmax, cross-entropy and attention.
import { scratch } from "./gemmState";
import { loadPart, maxOf, storePair, sumOf } from "./lanes";
import { expAll } from "./math";

/** Number of floats that are summed in f32 before the sum is added to an f64 sum. */
export const BLOCK: i32 = 256;

/** Returns the largest of n floats, or NaN if one is NaN. */
export function rowMax(x: usize, n: i32): f32 {
  const floor = f32x4.splat(-Infinity);
  let low = floor;
  let high = floor;
  // f32x4.max takes eight instructions on x64; pmax takes one, but ignores NaN.
  let nanLow = f32x4.splat(0);
  let nanHigh = nanLow;
  for (; n >= 8; n -= 8) {
    const a = v128.load(x);
    const b = v128.load(x, 16);
    low = f32x4.pmax(low, a);
    high = f32x4.pmax(high, b);
    nanLow = v128.or(nanLow, f32x4.ne(a, a));
    nanHigh = v128.or(nanHigh, f32x4.ne(b, b));
    x += 32;
  }
  // Engines start to fuse neighbouring operations at stores.
  storePair(scratch, v128.or(low, nanLow), v128.or(high, nanHigh));
  let top = f32x4.max(v128.load(scratch), v128.load(scratch, 16));
  for (; n > 0; n -= 4) {
    top = f32x4.max(top, loadPart(x, n, floor));
    x += 16;
  }
  return maxOf(top);
}

/** Returns the sum of exp(x - shift) over n floats. Writes the exponentials to `out` unless `out` is 0. */
export function sumExp(x: usize, out: usize, n: i32, shift: f32): f64 {
  let total: f64 = 0;
  for (; n > 0; n -= BLOCK) {
    total += <f64>sumOf(expAll(x, out ? out : scratch, min(BLOCK, n), 1, -shift));
    x += BLOCK << 2;
    if (out) out += BLOCK << 2;
  }
  return total;
}
