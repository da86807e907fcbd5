// GELU of four floats, exact and in its tanh form: x times a gate from 0 to 1, and its derivative.
import { madd } from "../simd/lanes";
import { constant, erff4, expf4 } from "../simd/math";

const HALF = memory.data<f32>([0.5]);
const MINUS_HALF = memory.data<f32>([-0.5]);
const ONE = memory.data<f32>([1]);
const ROOT_HALF = memory.data<f32>([0.707106781]);
/** 1 / sqrt(2 pi). */
const NORMAL = memory.data<f32>([0.398942280]);
/**
 * Coefficients of x and x³ in -2 u (GELU_LINEAR, GELU_CUBIC), then the constant and the coefficient of x² in 2 u'
 * (SLOPE_CONSTANT, SLOPE_SQUARE). Here u = sqrt(2 / pi) (x + 0.044715 x³), and u' is its derivative.
 */
const GELU_LINEAR = memory.data<f32>([-1.59576912]);
const GELU_CUBIC = memory.data<f32>([-0.0713548163]);
const SLOPE_CONSTANT = memory.data<f32>([1.59576912]);
const SLOPE_SQUARE = memory.data<f32>([0.214064449]);

// @ts-ignore: decorator
@inline
export function gelu4(x: v128): v128 {
  const half = f32x4.mul(x, constant(HALF));
  return madd(half, erff4(f32x4.mul(x, constant(ROOT_HALF))), half);
}

/**
 * Returns GELU by its tanh approximation. It is computed as x / (1 + exp(-2 u)), where u = sqrt(2 / pi) (x + 0.044715
 * x³). This equals x (1 + tanh(u)) / 2, without a call of tanh.
 */
// @ts-ignore: decorator
@inline
export function geluTanh4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(constant(ONE), expf4(minus2u(x))));
}

/** Returns the cumulative distribution function of the standard normal distribution. */
// @ts-ignore: decorator
@inline
export function geluGate(x: v128): v128 {
  const half = constant(HALF);
  return madd(half, erff4(f32x4.mul(x, constant(ROOT_HALF))), half);
}

/**
 * Returns the derivative of exact GELU, gate + x * density. `gate` is the standard normal distribution function of x,
 * and density is its derivative.
 */
// @ts-ignore: decorator
@inline
export function geluSlope(x: v128, gate: v128): v128 {
  const density = f32x4.mul(expf4(f32x4.mul(f32x4.mul(x, x), constant(MINUS_HALF))), constant(NORMAL));
  return madd(x, density, gate);
}

/**
 * Returns 1 / (1 + exp(-2 u)), by which GELU's tanh approximation multiplies x, where u = sqrt(2 / pi) (x + 0.044715
 * x³).
 */
// @ts-ignore: decorator
@inline
export function geluTanhGate(x: v128): v128 {
  const one = constant(ONE);
  return f32x4.div(one, f32x4.add(one, expf4(minus2u(x))));
}

/**
 * Returns the derivative of GELU's tanh approximation: s + x s (1 - s) 2 u'. Here s is `gate`, the factor by which the
 * approximation multiplies x, and u' is the derivative of u = sqrt(2 / pi) (x + 0.044715 x³).
 */
// @ts-ignore: decorator
@inline
export function geluTanhSlope(x: v128, gate: v128): v128 {
  const twoSlope = madd(f32x4.mul(x, x), constant(SLOPE_SQUARE), constant(SLOPE_CONSTANT));
  return madd(f32x4.mul(f32x4.mul(x, twoSlope), gate), f32x4.sub(constant(ONE), gate), gate);
}

// @ts-ignore: decorator
@inline
function minus2u(x: v128): v128 {
  return f32x4.mul(x, madd(f32x4.mul(x, x), constant(GELU_CUBIC), constant(GELU_LINEAR)));
}
