// Elementary functions of four floats, within about 2 ulp. The polynomials were fitted to the least largest relative
// error over the interval each names. NaN passes through all of them.
import { madd } from "./gemmTile";

/**
 * Constants of expf4, four times each: V8 makes a vector constant anew wherever it stands, in several instructions,
 * so a load from memory is much faster inside a loop.
 */
const EXP: usize = memory.data<f32>([
  89, 89, 89, 89, -104, -104, -104, -104,
  1.44269504, 1.44269504, 1.44269504, 1.44269504, 12582912, 12582912, 12582912, 12582912,
  -0.693145751953125, -0.693145751953125, -0.693145751953125, -0.693145751953125,
  -1.428606765330187e-6, -1.428606765330187e-6, -1.428606765330187e-6, -1.428606765330187e-6,
  0.00138146011, 0.00138146011, 0.00138146011, 0.00138146011, 0.00836871564, 0.00836871564, 0.00836871564, 0.00836871564,
  0.0416683890, 0.0416683890, 0.0416683890, 0.0416683890, 0.166665211, 0.166665211, 0.166665211, 0.166665211,
  0.49999994, 0.49999994, 0.49999994, 0.49999994, 1, 1, 1, 1,
], 16);

/** e to the power x: rounds to 0 and Infinity at the ends, subnormal results included. */
// @ts-ignore: decorator
@inline
export function expf4(x: v128): v128 {
  // pmin and pmax keep a NaN in their first operand.
  x = f32x4.pmax(f32x4.pmin(x, v128.load(EXP)), v128.load(EXP, 16));
  // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
  const magic = v128.load(EXP, 48);
  const shifted = madd(x, v128.load(EXP, 32), magic);
  const n = f32x4.sub(shifted, magic);
  // ln 2 in two parts, the first short enough for exact products.
  let r = madd(n, v128.load(EXP, 64), x);
  r = madd(n, v128.load(EXP, 80), r);
  // exp(r) = 1 + r + r² q(r) for |r| <= ln(2) / 2.
  let q = madd(v128.load(EXP, 96), r, v128.load(EXP, 112));
  q = madd(q, r, v128.load(EXP, 128));
  q = madd(q, r, v128.load(EXP, 144));
  q = madd(q, r, v128.load(EXP, 160));
  const one = v128.load(EXP, 176);
  const p = f32x4.add(madd(f32x4.mul(r, r), q, r), one);
  // 2^n as two factors, since one cannot reach 2^128 or 2^-150.
  const k = i32x4.sub(shifted, magic);
  const half = i32x4.shr_s(k, 1);
  const low = i32x4.add(i32x4.shl(half, 23), one);
  const high = i32x4.add(i32x4.shl(i32x4.sub(k, half), 23), one);
  return f32x4.mul(f32x4.mul(p, low), high);
}

/** Natural logarithm: -Infinity at 0, NaN below. */
// @ts-ignore: decorator
@inline
export function logf4(x: v128): v128 {
  const subnormal = f32x4.lt(x, f32x4.splat(1.17549435e-38));
  const bits = v128.bitselect(f32x4.mul(x, f32x4.splat(8388608)), x, subnormal);
  // x = m * 2^e with m between sqrt(1/2) and sqrt(2).
  const k = i32x4.shr_s(i32x4.sub(bits, i32x4.splat(0x3f3504f3)), 23);
  const f = f32x4.sub(i32x4.sub(bits, i32x4.shl(k, 23)), f32x4.splat(1));
  const e = f32x4.convert_i32x4_s(i32x4.sub(k, v128.and(subnormal, i32x4.splat(23))));
  // log(1 + f) = f - f²/2 + f³ p(f).
  let p = madd(f32x4.splat(-0.0763449296), f, f32x4.splat(0.127615750));
  p = madd(p, f, f32x4.splat(-0.131601825));
  p = madd(p, f, f32x4.splat(0.142017588));
  p = madd(p, f, f32x4.splat(-0.166233569));
  p = madd(p, f, f32x4.splat(0.200012267));
  p = madd(p, f, f32x4.splat(-0.250008196));
  p = madd(p, f, f32x4.splat(0.333333313));
  const f2 = f32x4.mul(f, f);
  let y = madd(f32x4.mul(f, f2), p, f32x4.mul(e, f32x4.splat(1.428606765330187e-6)));
  y = madd(f2, f32x4.splat(-0.5), y);
  y = madd(e, f32x4.splat(0.693145751953125), f32x4.add(f, y));
  const infinity = f32x4.splat(Infinity);
  const zero = f32x4.splat(0);
  y = v128.bitselect(y, x, f32x4.lt(x, infinity));
  y = v128.bitselect(f32x4.splat(-Infinity), y, f32x4.eq(x, zero));
  return v128.bitselect(f32x4.splat(NaN), y, f32x4.lt(x, zero));
}

// @ts-ignore: decorator
@inline
function withSignOf(x: v128, magnitude: v128): v128 {
  return v128.bitselect(x, magnitude, i32x4.splat(0x80000000));
}

/** Hyperbolic tangent. */
// @ts-ignore: decorator
@inline
export function tanhf4(x: v128): v128 {
  // tanh(x) = x + x³ p(x²) up to 0.625.
  const z = f32x4.mul(x, x);
  let p = madd(f32x4.splat(-0.00571704470), z, f32x4.splat(0.0206505861));
  p = madd(p, z, f32x4.splat(-0.0537434965));
  p = madd(p, z, f32x4.splat(0.133314908));
  p = madd(p, z, f32x4.splat(-0.333332837));
  const near = madd(f32x4.mul(x, z), p, x);
  const one = f32x4.splat(1);
  const t = f32x4.abs(x);
  const e = expf4(f32x4.add(t, t));
  const far = f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(e, one)));
  return v128.bitselect(near, withSignOf(x, far), f32x4.lt(t, f32x4.splat(0.625)));
}

/** 1 / (1 + exp(-x)). */
// @ts-ignore: decorator
@inline
export function sigmoidf4(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, expf4(f32x4.neg(x))));
}

/** The error function. */
// @ts-ignore: decorator
@inline
export function erff4(x: v128): v128 {
  const t = f32x4.abs(x);
  // erf(x) = x + x q(x²) up to 1.
  const z = f32x4.mul(x, x);
  let q = madd(f32x4.splat(0.0000788912294), z, f32x4.splat(-0.000802084222));
  q = madd(q, z, f32x4.splat(0.00518953567));
  q = madd(q, z, f32x4.splat(-0.0268544443));
  q = madd(q, z, f32x4.splat(0.112836003));
  q = madd(q, z, f32x4.splat(-0.376126260));
  q = madd(q, z, f32x4.splat(0.128379166));
  const small = madd(x, q, x);
  // erf(t) = 1 - exp(-p(t - 2.5)) from 1 to 4, where it rounds to 1.
  const u = f32x4.sub(f32x4.pmin(t, f32x4.splat(4)), f32x4.splat(2.5));
  let p = madd(f32x4.splat(0.00115041505), u, f32x4.splat(-0.000397878612));
  p = madd(p, u, f32x4.splat(0.0127542913));
  p = madd(p, u, f32x4.splat(0.944819152));
  p = madd(p, u, f32x4.splat(5.35283327));
  p = madd(p, u, f32x4.splat(7.80680847));
  const large = f32x4.sub(f32x4.splat(1), expf4(f32x4.neg(p)));
  return v128.bitselect(small, withSignOf(x, large), f32x4.lt(t, f32x4.splat(1)));
}
