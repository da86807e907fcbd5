// Elementary functions of four floats, within about 2 ulp. The polynomials minimise the largest relative error over the
// interval that each comment names. All functions return NaN for NaN.
//
// Constants come from memory: V8 builds a v128 constant again from a general register at each use. With a dozen of them
// in a loop that takes as long as the arithmetic.
import { loadPart, storePair, storePart, madd } from "./lanes";

const ONE = memory.data<f32>([1]);
const TWO = memory.data<f32>([2]);
const MINUS_HALF = memory.data<f32>([-0.5]);
const MAGNITUDE = memory.data<u32>([0x7fffffff]);
/** The magnitude of x up to which exp(x) is a normal float, neither subnormal nor infinite. */
const NORMAL_END = memory.data<f32>([87.3]);
const SIGN = memory.data<u32>([0x80000000]);

const LOWEST = memory.data<f32>([-104]);
const HIGHEST = memory.data<f32>([89]);
const LOG2_E = memory.data<f32>([1.44269504]);
/** 1.5 * 2^23. Adding it to a small float leaves the nearest integer in the low bits. */
const ROUNDER = memory.data<f32>([12582912]);
/** ln 2 in two parts. The first has few digits, so that its products are exact. */
const LN2_HIGH = memory.data<f32>([0.693145751953125]);
const LN2_LOW = memory.data<f32>([1.428606765330187e-6]);
const MINUS_LN2_HIGH = memory.data<f32>([-0.693145751953125]);
const MINUS_LN2_LOW = memory.data<f32>([-1.428606765330187e-6]);
/** Coefficients of q in exp(r) = 1 + r + r² q(r), for |r| <= ln(2) / 2. */
const EXP_Q = memory.data<f32>([0.00138146011, 0.00836871564, 0.0416683890, 0.166665211, 0.49999994]);

const NORMAL = memory.data<f32>([1.17549435e-38]);
const TWO_23 = memory.data<f32>([8388608]);
const TWENTY_THREE = memory.data<u32>([23]);
const ROOT_HALF_BITS = memory.data<u32>([0x3f3504f3]);
const INFINITY = memory.data<f32>([Infinity]);
const MINUS_INFINITY = memory.data<f32>([-Infinity]);
const NOT_A_NUMBER = memory.data<f32>([NaN]);
/** Coefficients of p in log(1 + f) = f - f²/2 + f³ p(f), for 1 + f between sqrt(1/2) and sqrt(2). */
const LOG_P = memory.data<f32>([
  -0.0763449296, 0.127615750, -0.131601825, 0.142017588, -0.166233569, 0.200012267, -0.250008196, 0.333333313,
]);

const TANH_END = memory.data<f32>([0.625]);
/** Coefficients of p in tanh(x) = x + x³ p(x²), for |x| up to 0.625. */
const TANH_P = memory.data<f32>([-0.00571704470, 0.0206505861, -0.0537434965, 0.133314908, -0.333332837]);

/** Coefficients of q in erf(x) = x + x q(x²), for |x| up to 1. */
const ERF_Q = memory.data<f32>([
  0.0000788912294, -0.000802084222, 0.00518953567, -0.0268544443, 0.112836003, -0.376126260, 0.128379166,
]);
const ERF_END = memory.data<f32>([4]);
const ERF_MIDDLE = memory.data<f32>([2.5]);
/** Coefficients of p in erf(t) = 1 - exp(-p(t - 2.5)), for t from 1 to 4; beyond 4 erf rounds to 1. */
const ERF_P = memory.data<f32>([0.00115041505, -0.000397878612, 0.0127542913, 0.944819152, 5.35283327, 7.80680847]);

/** Returns the constant at `address` in all four lanes. */
// @ts-ignore: decorator
@inline
export function constant(address: usize): v128 {
  return v128.load32_splat(address);
}

/**
 * Returns the value of a polynomial. Its `degree`, from 4 to 7, is a constant in each call; its coefficients are at
 * `c`, highest first.
 */
// @ts-ignore: decorator
@inline
function polynomial(c: usize, degree: i32, x: v128): v128 {
  let p = madd(constant(c), x, constant(c + 4));
  p = madd(p, x, constant(c + 8));
  p = madd(p, x, constant(c + 12));
  p = madd(p, x, constant(c + 16));
  if (degree > 4) p = madd(p, x, constant(c + 20));
  if (degree > 5) p = madd(p, x, constant(c + 24));
  if (degree > 6) p = madd(p, x, constant(c + 28));
  return p;
}

// @ts-ignore: decorator
@inline
function withSignOf(x: v128, magnitude: v128): v128 {
  return v128.bitselect(x, magnitude, constant(SIGN));
}

/**
 * Returns e to the power x for four floats. Very small and very large results become 0 and Infinity; subnormal results
 * are correct.
 */
// @ts-ignore: decorator
@inline
export function expf4(x: v128): v128 {
  return expBy(
    false, x, constant(HIGHEST), constant(LOWEST), constant(ROUNDER), constant(LOG2_E), constant(MINUS_LN2_HIGH),
    constant(MINUS_LN2_LOW), constant(EXP_Q), constant(EXP_Q + 4), constant(EXP_Q + 8), constant(EXP_Q + 12),
    constant(EXP_Q + 16), constant(ONE),
  );
}

/** Returns e to the power x. If `normal` is true, the caller ensures that no result is Infinity, NaN or subnormal. */
// @ts-ignore: decorator
@inline
function expBy(
  normal: bool, x: v128, highest: v128, lowest: v128, rounder: v128, log2e: v128, ln2High: v128, ln2Low: v128,
  q4: v128, q3: v128, q2: v128, q1: v128, q0: v128, one: v128,
): v128 {
  // pmin and pmax return their first operand if it is NaN.
  if (!normal) x = f32x4.pmax(f32x4.pmin(x, highest), lowest);
  const shifted = madd(x, log2e, rounder);
  const n = f32x4.sub(shifted, rounder);
  let r = madd(n, ln2High, x);
  r = madd(n, ln2Low, r);
  const q = madd(madd(madd(madd(q4, r, q3), r, q2), r, q1), r, q0);
  const p = f32x4.add(madd(f32x4.mul(r, r), q, r), one);
  // Multiplies by 2^n: n, in the low bits of `shifted`, is added to the exponent.
  if (normal) return i32x4.add(p, i32x4.shl(shifted, 23));
  // 2^n as two factors, since one cannot reach 2^128 or 2^-150: powers of two are added to the exponent of 1.
  const k = i32x4.sub(shifted, rounder);
  const half = i32x4.shr_s(k, 1);
  const low = i32x4.add(i32x4.shl(half, 23), one);
  const high = i32x4.add(i32x4.shl(i32x4.sub(k, half), 23), one);
  return f32x4.mul(f32x4.mul(p, low), high);
}

/** Returns e to the power x for one float, bit-identical to `expf4`. */
export function expOf(x: f32): f32 {
  return f32x4.extract_lane(expf4(f32x4.splat(x)), 0);
}

/**
 * Returns true if exp of each float is a normal float, far from Infinity. Checks the first n floats, with n rounded
 * down to a multiple of 8.
 */
// @ts-ignore: decorator
@inline
function areNormal(x: usize, n: i32, factor: v128, shift: v128): bool {
  const magnitude = constant(MAGNITUDE);
  let low = i32x4.splat(0);
  let high = low;
  for (; n >= 8; n -= 8) {
    low = i32x4.max_s(low, v128.and(madd(v128.load(x), factor, shift), magnitude));
    high = i32x4.max_s(high, v128.and(madd(v128.load(x, 16), factor, shift), magnitude));
    x += 32;
  }
  return !v128.any_true(i32x4.gt_s(i32x4.max_s(low, high), constant(NORMAL_END)));
}

/**
 * Computes out = exp(factor * x + shift) over n floats, for a factor of 1 or -1. It reads x twice, so n should be small
 * enough for the cache. Returns four partial sums of out, which are valid if the factor is 1 or n is a multiple of
 * four.
 */
export function expAll(x: usize, out: usize, n: i32, factor: f32, shift: f32): v128 {
  const a = f32x4.splat(factor);
  const b = f32x4.splat(shift);
  const floor = f32x4.splat(-Infinity);
  // Loaded once, for two vectors: engines fuse two neighbouring operations that share their constants.
  const highest = constant(HIGHEST);
  const lowest = constant(LOWEST);
  const rounder = constant(ROUNDER);
  const log2e = constant(LOG2_E);
  const ln2High = constant(MINUS_LN2_HIGH);
  const ln2Low = constant(MINUS_LN2_LOW);
  const q4 = constant(EXP_Q);
  const q3 = constant(EXP_Q + 4);
  const q2 = constant(EXP_Q + 8);
  const q1 = constant(EXP_Q + 12);
  const q0 = constant(EXP_Q + 16);
  const one = constant(ONE);
  let sum = f32x4.splat(0);
  if (areNormal(x, n, a, b)) {
    for (; n >= 8; n -= 8) {
      const s = madd(v128.load(x), a, b);
      const t = madd(v128.load(x, 16), a, b);
      const low = expBy(true, s, highest, lowest, rounder, log2e, ln2High, ln2Low, q4, q3, q2, q1, q0, one);
      const high = expBy(true, t, highest, lowest, rounder, log2e, ln2High, ln2Low, q4, q3, q2, q1, q0, one);
      storePair(out, low, high);
      sum = f32x4.add(f32x4.add(sum, low), high);
      x += 32;
      out += 32;
    }
  }
  for (; n > 0; n -= 4) {
    const s = madd(loadPart(x, n, floor), a, b);
    const e = expBy(false, s, highest, lowest, rounder, log2e, ln2High, ln2Low, q4, q3, q2, q1, q0, one);
    storePart(out, e, n);
    sum = f32x4.add(sum, e);
    x += 16;
    out += 16;
  }
  return sum;
}

/** Returns the natural logarithm of four floats: -Infinity at 0, NaN below. */
// @ts-ignore: decorator
@inline
export function logf4(x: v128): v128 {
  const subnormal = f32x4.lt(x, constant(NORMAL));
  const bits = v128.bitselect(f32x4.mul(x, constant(TWO_23)), x, subnormal);
  // x = m * 2^e with m between sqrt(1/2) and sqrt(2).
  const k = i32x4.shr_s(i32x4.sub(bits, constant(ROOT_HALF_BITS)), 23);
  const f = f32x4.sub(i32x4.sub(bits, i32x4.shl(k, 23)), constant(ONE));
  const e = f32x4.convert_i32x4_s(i32x4.sub(k, v128.and(subnormal, constant(TWENTY_THREE))));
  const p = polynomial(LOG_P, 7, f);
  const f2 = f32x4.mul(f, f);
  let y = madd(f32x4.mul(f, f2), p, f32x4.mul(e, constant(LN2_LOW)));
  y = madd(f2, constant(MINUS_HALF), y);
  y = madd(e, constant(LN2_HIGH), f32x4.add(f, y));
  const zero = f32x4.splat(0);
  y = v128.bitselect(y, x, f32x4.lt(x, constant(INFINITY)));
  y = v128.bitselect(constant(MINUS_INFINITY), y, f32x4.eq(x, zero));
  return v128.bitselect(constant(NOT_A_NUMBER), y, f32x4.lt(x, zero));
}

/** Returns the hyperbolic tangent of four floats. */
// @ts-ignore: decorator
@inline
export function tanhf4(x: v128): v128 {
  const z = f32x4.mul(x, x);
  const near = madd(f32x4.mul(x, z), polynomial(TANH_P, 4, z), x);
  const one = constant(ONE);
  const t = f32x4.abs(x);
  const e = expf4(f32x4.add(t, t));
  const far = f32x4.sub(one, f32x4.div(constant(TWO), f32x4.add(e, one)));
  return withSignOf(x, v128.bitselect(near, far, f32x4.lt(t, constant(TANH_END))));
}

/** Returns 1 / (1 + exp(-x)) for four floats. */
// @ts-ignore: decorator
@inline
export function sigmoidf4(x: v128): v128 {
  const one = constant(ONE);
  return f32x4.div(one, f32x4.add(one, expf4(f32x4.neg(x))));
}

/** Returns the error function of four floats. */
// @ts-ignore: decorator
@inline
export function erff4(x: v128): v128 {
  const one = constant(ONE);
  const t = f32x4.abs(x);
  const near = madd(x, polynomial(ERF_Q, 6, f32x4.mul(x, x)), x);
  const u = f32x4.sub(f32x4.pmin(t, constant(ERF_END)), constant(ERF_MIDDLE));
  const far = f32x4.sub(one, expf4(f32x4.neg(polynomial(ERF_P, 5, u))));
  return v128.bitselect(near, withSignOf(x, far), f32x4.lt(t, one));
}
