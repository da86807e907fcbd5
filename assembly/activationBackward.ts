// Gradients of activations in one pass: out[i] = dy[i] * f'(x[i]).
import { geluGate, geluSlope, geluTanhGate, geluTanhSlope } from "./gelu";
import { madd } from "./madd";
import { constant, sigmoidf4 } from "./math";

const ONE = memory.data<f32>([1]);

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
function slope(f: i32, x: v128): v128 {
  return f == SILU ? siluSlope(x) : f == GELU ? geluSlope(x, geluGate(x)) : geluTanhSlope(x, geluTanhGate(x));
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
