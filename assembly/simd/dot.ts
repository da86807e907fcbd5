import { scratch } from "./gemmState";
import { loadPart, storePair, sumOf, madd } from "./lanes";

/** Returns the dot product of n floats at a and at b. It uses eight partial sums. */
export function dot(a: usize, b: usize, n: i32): f32 {
  const zero = f32x4.splat(0);
  let s0 = zero;
  let s1 = zero;
  for (; n >= 8; n -= 8) {
    s0 = madd(v128.load(a), v128.load(b), s0);
    s1 = madd(v128.load(a, 16), v128.load(b, 16), s1);
    a += 32;
    b += 32;
  }
  // Engines start to fuse neighbouring operations at stores.
  storePair(scratch, s0, s1);
  s0 = v128.load(scratch);
  s1 = v128.load(scratch, 16);
  for (; n > 0; n -= 4) {
    s0 = madd(loadPart(a, n, zero), loadPart(b, n, zero), s0);
    a += 16;
    b += 16;
  }
  return sumOf(f32x4.add(s0, s1));
}
