import { pairCode } from "./math.ts";

/**
 * WGSL: `divide(a, b)` rounds to nearest; drivers may be off by two units in the last place. Needs
 * `pairCode`, which comes with square roots. An infinite quotient or NaN is not rounded.
 */
export const divide: string = `
fn divide(a: f32, b: f32) -> f32 {
  let q = a / b;
  if ((bitcast<u32>(q) & 0x7fffffffu) >= 0x7f800000u) { return q; }
  let p = product(q, b);
  let rest = (a - p.x) - p.y;
  return q + rest / b;
}`;

/** WGSL of `divide` with what it needs. */
export const divideCode: string = `${pairCode}${divide}`;
