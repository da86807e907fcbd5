import { pairCode } from "./math.ts";

/** WGSL that converts f16 and bf16 codes to f32 and back, rounding to the same bits as core. */
export const halfCode: string = `
fn bf16ToF32(code: u32) -> f32 { return bitcast<f32>(code << 16u); }
fn f32ToBf16(x: f32) -> u32 {
  let b = bitcast<u32>(x);
  if ((b & 0x7fffffffu) > 0x7f800000u) { return (b >> 16u) | 0x40u; }
  return (b + 0x7fffu + ((b >> 16u) & 1u)) >> 16u;
}
fn f16ToF32(code: u32) -> f32 {
  let sign = (code & 0x8000u) << 16u;
  let magnitude = code & 0x7fffu;
  if (magnitude < 0x400u) { return bitcast<f32>(sign | bitcast<u32>(f32(magnitude) * 5.9604644775390625e-8)); }
  let bias = select(0x38000000u, 0x70000000u, magnitude >= 0x7c00u);
  return bitcast<f32>(sign | ((magnitude << 13u) + bias));
}
fn f32ToF16(x: f32) -> u32 {
  let b = bitcast<u32>(x);
  let sign = (b >> 16u) & 0x8000u;
  let m = b & 0x7fffffffu;
  if (m > 0x7f800000u) { return sign | 0x7e00u | ((m >> 13u) & 0x3ffu); }
  if (m >= 0x477ff000u) { return sign | 0x7c00u; }
  if (m >= 0x38800000u) { return sign | ((m - 0x38000000u + 0xfffu + ((m >> 13u) & 1u)) >> 13u); }
  if (m <= 0x33000000u) { return sign; }
  let mantissa = (m & 0x7fffffu) | 0x800000u;
  let shift = 126u - (m >> 23u);
  let truncated = mantissa >> shift;
  let rest = mantissa & ((1u << shift) - 1u);
  let half = 1u << (shift - 1u);
  let up = rest > half || (rest == half && (truncated & 1u) == 1u);
  return sign | (truncated + select(0u, 1u, up));
}`;

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
