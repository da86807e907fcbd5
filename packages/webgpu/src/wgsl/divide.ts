import { pairCode } from "./math.ts";

/**
 * WGSL: `divide(a, b)` rounds to nearest; drivers' division may be off by two units in the last place. Requires
 * `pairCode`, which comes with square roots. An infinite quotient or NaN is returned unrounded.
 */
export const divide: string = `
fn divide(a: f32, b: f32) -> f32 {
  let q = a / b;
  if ((bitcast<u32>(q) & 0x7fffffffu) >= 0x7f800000u) { return q; }
  let p = product(q, b);
  let rest = (a - p.x) - p.y;
  return q + rest / b;
}`;

/** WGSL of `divide` and the functions that it calls. */
export const divideCode: string = `${pairCode}${divide}`;
