// Gradients of activations in one pass: out[i] = dy[i] * f'(x[i]).
import { geluGate, geluSlope, geluTanhGate, geluTanhSlope } from "./gelu";
import { loadPart, storePart, madd } from "../simd/lanes";
import { constant, sigmoidf4 } from "../simd/math";

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
  const zero = f32x4.splat(0);
  for (; n > 0; n -= 4) {
    storePart(out, f32x4.mul(loadPart(dy, n, zero), slope(f, loadPart(x, n, zero))), n);
    dy += 16;
    x += 16;
    out += 16;
  }
}

export function siluBackward(dy: usize, x: usize, out: usize, n: i32): void { map(SILU, dy, x, out, n); }
export function geluBackward(dy: usize, x: usize, out: usize, n: i32): void { map(GELU, dy, x, out, n); }
export function geluTanhBackward(dy: usize, x: usize, out: usize, n: i32): void { map(GELU_TANH, dy, x, out, n); }
