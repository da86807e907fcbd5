// Elementary functions of four floats at a time, within two units in the last place; NaN stays NaN.
import { madd } from "./gemmTile";

// @ts-ignore: decorator
@inline
function splat(x: f32): v128 {
  return f32x4.splat(x);
}

/** e to the power x: 0 below -104, Infinity above 89. */
// @ts-ignore: decorator
@inline
export function expf4(x: v128): v128 {
  x = f32x4.min(f32x4.max(x, splat(-104)), splat(89));
  const n = f32x4.nearest(f32x4.mul(x, splat(1.44269504)));
  // ln 2 in two parts, the first exact in products with n.
  x = madd(n, splat(-0.693359375), x);
  x = madd(n, splat(2.12194440e-4), x);
  let p = splat(1.9875691500e-4);
  p = madd(p, x, splat(1.3981999507e-3));
  p = madd(p, x, splat(8.3334519073e-3));
  p = madd(p, x, splat(4.1665795894e-2));
  p = madd(p, x, splat(1.6666665459e-1));
  p = madd(p, x, splat(5.0000001201e-1));
  p = f32x4.add(madd(p, f32x4.mul(x, x), x), splat(1));
  // 2^n as two factors, so that neither leaves the exponent's range.
  const whole = i32x4.trunc_sat_f32x4_s(n);
  const half = i32x4.shr_s(whole, 1);
  const bias = i32x4.splat(127);
  const low = i32x4.shl(i32x4.add(half, bias), 23);
  const high = i32x4.shl(i32x4.add(i32x4.sub(whole, half), bias), 23);
  return f32x4.mul(f32x4.mul(p, low), high);
}

/** 1 / (1 + exp(-x)). */
// @ts-ignore: decorator
@inline
export function sigmoidf4(x: v128): v128 {
  return f32x4.div(splat(1), f32x4.add(splat(1), expf4(f32x4.neg(x))));
}

/** The hyperbolic tangent: an odd polynomial near 0, through exp elsewhere. */
// @ts-ignore: decorator
@inline
export function tanhf4(x: v128): v128 {
  const z = f32x4.mul(x, x);
  let p = splat(-5.70498872745e-3);
  p = madd(p, z, splat(2.06390887954e-2));
  p = madd(p, z, splat(-5.37397155531e-2));
  p = madd(p, z, splat(1.33314422036e-1));
  p = madd(p, z, splat(-3.33332819422e-1));
  const near = madd(f32x4.mul(p, z), x, x);
  const far = f32x4.sub(splat(1), f32x4.div(splat(2), f32x4.add(expf4(f32x4.add(x, x)), splat(1))));
  return v128.bitselect(near, far, f32x4.lt(f32x4.abs(x), splat(0.625)));
}
