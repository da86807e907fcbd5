// Elementwise functions of one array: out[i] = f(x[i]).
import { gelu4, geluTanh4 } from "./gelu";
import { scratch } from "../simd/gemmState";
import { loadPart, storePart } from "../simd/lanes";
import { BLOCK } from "../simd/logSumExp";
import { constant, erff4, expAll, expf4, logf4, tanhf4 } from "../simd/math";

const ONE = memory.data<f32>([1]);

const LOG: i32 = 0;
const SQRT: i32 = 1;
const RSQRT: i32 = 2;
const RECIPROCAL: i32 = 3;
const SQUARE: i32 = 4;
const ABS: i32 = 5;
const SIGN: i32 = 6;
const RELU: i32 = 7;
const TANH: i32 = 8;
const ERF: i32 = 9;
const GELU: i32 = 10;
const GELU_TANH: i32 = 11;
const SOFTPLUS: i32 = 12;

// @ts-ignore: decorator
@inline
function sign4(x: v128): v128 {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  return f32x4.sub(v128.and(f32x4.gt(x, zero), one), v128.and(f32x4.lt(x, zero), one));
}

/**
 * Computes log(1 + exp(x)) as max(x, 0) + log(1 + e) with e = exp(-|x|). A correction term makes up for the rounding
 * error of 1 + e.
 */
// @ts-ignore: decorator
@inline
function softplus4(x: v128): v128 {
  const one = constant(ONE);
  const e = expf4(f32x4.neg(f32x4.abs(x)));
  const u = f32x4.add(one, e);
  const rest = f32x4.div(f32x4.sub(e, f32x4.sub(u, one)), u);
  return f32x4.add(f32x4.max(x, f32x4.splat(0)), f32x4.add(logf4(u), rest));
}

/**
 * Applies the unary function with the number `f` to four floats. `f` is a constant in each call, so the compiler keeps
 * only one branch.
 */
// @ts-ignore: decorator
@inline
function apply(f: i32, x: v128): v128 {
  return f == LOG ? logf4(x)
    : f == SQRT ? f32x4.sqrt(x)
    : f == RSQRT ? f32x4.div(f32x4.splat(1), f32x4.sqrt(x))
    : f == RECIPROCAL ? f32x4.div(f32x4.splat(1), x)
    : f == SQUARE ? f32x4.mul(x, x)
    : f == ABS ? f32x4.abs(x)
    : f == SIGN ? sign4(x)
    : f == RELU ? f32x4.max(x, f32x4.splat(0))
    : f == TANH ? tanhf4(x)
    : f == ERF ? erff4(x)
    : f == GELU ? gelu4(x)
    : f == GELU_TANH ? geluTanh4(x)
    : softplus4(x);
}

/**
 * Applies the function with the number `f` to n floats. Use it for functions of few instructions, since their code is
 * emitted twice: for whole vectors and for the last part.
 */
// @ts-ignore: decorator
@inline
function map(f: i32, x: usize, out: usize, n: i32): void {
  for (; n >= 4; n -= 4) {
    v128.store(out, apply(f, v128.load(x)));
    x += 16;
    out += 16;
  }
  if (n > 0) storePart(out, apply(f, loadPart(x, n, f32x4.splat(0))), n);
}

/**
 * Applies the function with the number `f` to n floats. Use it for functions of many instructions, since their code is
 * emitted only once, for whole vectors and for the last part.
 */
// @ts-ignore: decorator
@inline
function mapLong(f: i32, x: usize, out: usize, n: i32): void {
  const zero = f32x4.splat(0);
  for (; n > 0; n -= 4) {
    storePart(out, apply(f, loadPart(x, n, zero)), n);
    x += 16;
    out += 16;
  }
}

/** Computes out = y / (1 + exp(-x)). y is x if `times` is true (SiLU), otherwise 1 (the logistic function). */
function logistic(times: bool, x: usize, out: usize, n: i32): void {
  const one = f32x4.splat(1);
  for (; n > 0; n -= BLOCK) {
    expAll(x, scratch, min(BLOCK, n), -1, 0);
    const end = scratch + (BLOCK << 2);
    let left = n;
    for (let e = scratch; e < end && left > 0; e += 16) {
      const y = times ? loadPart(x, left, one) : one;
      storePart(out, f32x4.div(y, f32x4.add(one, v128.load(e))), left);
      left -= 4;
      x += 16;
      out += 16;
    }
  }
}

export function exp(x: usize, out: usize, n: i32): void {
  for (; n > 0; n -= BLOCK) {
    expAll(x, out, min(BLOCK, n), 1, 0);
    x += BLOCK << 2;
    out += BLOCK << 2;
  }
}
export function log(x: usize, out: usize, n: i32): void { mapLong(LOG, x, out, n); }
export function sqrt(x: usize, out: usize, n: i32): void { map(SQRT, x, out, n); }
export function rsqrt(x: usize, out: usize, n: i32): void { map(RSQRT, x, out, n); }
export function reciprocal(x: usize, out: usize, n: i32): void { map(RECIPROCAL, x, out, n); }
export function square(x: usize, out: usize, n: i32): void { map(SQUARE, x, out, n); }
export function abs(x: usize, out: usize, n: i32): void { map(ABS, x, out, n); }
export function sign(x: usize, out: usize, n: i32): void { map(SIGN, x, out, n); }
export function relu(x: usize, out: usize, n: i32): void { map(RELU, x, out, n); }
export function tanh(x: usize, out: usize, n: i32): void { mapLong(TANH, x, out, n); }
export function sigmoid(x: usize, out: usize, n: i32): void { logistic(false, x, out, n); }
export function erf(x: usize, out: usize, n: i32): void { mapLong(ERF, x, out, n); }
export function silu(x: usize, out: usize, n: i32): void { logistic(true, x, out, n); }
export function gelu(x: usize, out: usize, n: i32): void { mapLong(GELU, x, out, n); }
export function geluTanh(x: usize, out: usize, n: i32): void { mapLong(GELU_TANH, x, out, n); }
export function softplus(x: usize, out: usize, n: i32): void { mapLong(SOFTPLUS, x, out, n); }

/** Computes x * scale + shift. A shift of 0 is not added, which keeps -0. */
export function affine(x: usize, out: usize, n: i32, scale: f32, shift: f32): void {
  const s = f32x4.splat(scale);
  const t = f32x4.splat(shift);
  const shifts = shift != 0;
  for (; n >= 4; n -= 4) {
    const y = f32x4.mul(v128.load(x), s);
    v128.store(out, shifts ? f32x4.add(y, t) : y);
    x += 16;
    out += 16;
  }
  for (; n > 0; n--) {
    const y = load<f32>(x) * scale;
    store<f32>(out, shifts ? y + shift : y);
    x += 4;
    out += 4;
  }
}

/** Limits x to lo..hi. NaN is returned unchanged. */
export function clamp(x: usize, out: usize, n: i32, lo: f32, hi: f32): void {
  const low = f32x4.splat(lo);
  const high = f32x4.splat(hi);
  for (; n >= 4; n -= 4) {
    v128.store(out, f32x4.min(f32x4.max(v128.load(x), low), high));
    x += 16;
    out += 16;
  }
  if (n > 0) storePart(out, f32x4.min(f32x4.max(loadPart(x, n, low), low), high), n);
}
