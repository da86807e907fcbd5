import { loadPart, storePair, storePart } from "./lanes";

/** Multiplies n floats at x by `factor`, in place. */
export function scaleInPlace(x: usize, n: i32, factor: f32): void {
  const f = f32x4.splat(factor);
  for (; n >= 8; n -= 8) {
    storePair(x, f32x4.mul(v128.load(x), f), f32x4.mul(v128.load(x, 16), f));
    x += 32;
  }
  for (; n > 0; n -= 4) {
    storePart(x, f32x4.mul(loadPart(x, n, f), f), n);
    x += 16;
  }
}
