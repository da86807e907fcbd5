import { pairCode } from "./math.ts";

/**
 * WGSL: `divide(a, b)` rounded to nearest, since a driver's division may be off by two units in the last place. If the
 * quotient is infinite or NaN, the driver's result is returned. Requires `pairCode`.
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
