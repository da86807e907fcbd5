// Gradients of activations in one pass: out[i] = dy[i] * f'(x[i]).
import { madd } from "./gemmTile";
import { constant, erff4, expf4, sigmoidf4 } from "./math";

const HALF = memory.data<f32>([0.5]);
const MINUS_HALF = memory.data<f32>([-0.5]);
const ONE = memory.data<f32>([1]);
const ROOT_HALF = memory.data<f32>([0.707106781]);
/** 1 / sqrt(2 pi). */
const NORMAL = memory.data<f32>([0.398942280]);
/** 2 sqrt(2 / pi), with their signs and times 0.044715 where u = sqrt(2 / pi) (x + 0.044715 x³) or its slope is made. */
const GELU_LINEAR = memory.data<f32>([-1.59576912]);
const GELU_CUBIC = memory.data<f32>([-0.0713548163]);
const SLOPE_CONSTANT = memory.data<f32>([1.59576912]);
const SLOPE_SQUARE = memory.data<f32>([0.214064449]);

const SILU: i32 = 0;
const GELU: i32 = 1;
const GELU_TANH: i32 = 2;

// @ts-ignore: decorator
@inline
function siluSlope(x: v128): v128 {
  const one = constant(ONE);
  const s = sigmoidf4(x);
  return f32x4.mul(s, madd(x, f32x4.sub(one, s), one));
}

// @ts-ignore: decorator
@inline
function geluSlope(x: v128): v128 {
  const half = constant(HALF);
  const area = madd(half, erff4(f32x4.mul(x, constant(ROOT_HALF))), half);
  const density = f32x4.mul(expf4(f32x4.mul(f32x4.mul(x, x), constant(MINUS_HALF))), constant(NORMAL));
  return madd(x, density, area);
}

/** With s = 1 / (1 + exp(-2 u)): s + x s (1 - s) 2 u'. */
// @ts-ignore: decorator
@inline
function geluTanhSlope(x: v128): v128 {
  const one = constant(ONE);
  const x2 = f32x4.mul(x, x);
  const minus2u = f32x4.mul(x, madd(x2, constant(GELU_CUBIC), constant(GELU_LINEAR)));
  const s = f32x4.div(one, f32x4.add(one, expf4(minus2u)));
  const twoSlope = madd(x2, constant(SLOPE_SQUARE), constant(SLOPE_CONSTANT));
  return madd(f32x4.mul(f32x4.mul(x, twoSlope), s), f32x4.sub(one, s), s);
}

// @ts-ignore: decorator
@inline
function slope(f: i32, x: v128): v128 {
  return f == SILU ? siluSlope(x) : f == GELU ? geluSlope(x) : geluTanhSlope(x);
}

// @ts-ignore: decorator
@inline
function map(f: i32, dy: usize, x: usize, out: usize, n: i32): void {
  for (; n >= 4; n -= 4) {
    v128.store(out, f32x4.mul(v128.load(dy), slope(f, v128.load(x))));
    dy += 16;
    x += 16;
    out += 16;
  }
  for (; n > 0; n--) {
    v128.store32_lane(out, f32x4.mul(v128.load32_splat(dy), slope(f, v128.load32_splat(x))), 0);
    dy += 4;
    x += 4;
    out += 4;
  }
}

export function siluBackward(dy: usize, x: usize, out: usize, n: i32): void { map(SILU, dy, x, out, n); }
export function geluBackward(dy: usize, x: usize, out: usize, n: i32): void { map(GELU, dy, x, out, n); }
export function geluTanhBackward(dy: usize, x: usize, out: usize, n: i32): void { map(GELU_TANH, dy, x, out, n); }
