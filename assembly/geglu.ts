import { gelu4, geluGate, geluSlope, geluTanh4, geluTanhGate, geluTanhSlope } from "./gelu";
import { loadPart, storePart } from "./lanes";

// @ts-ignore: decorator
@inline
function forward(tanh: bool, gate: usize, up: usize, out: usize, n: i32): void {
  const zero = f32x4.splat(0);
  for (; n > 0; n -= 4) {
    const g = loadPart(gate, n, zero);
    storePart(out, f32x4.mul(tanh ? geluTanh4(g) : gelu4(g), loadPart(up, n, zero)), n);
    gate += 16;
    up += 16;
    out += 16;
  }
}

// @ts-ignore: decorator
@inline
function backward(tanh: bool, dy: usize, gate: usize, up: usize, dgate: usize, dup: usize, n: i32): void {
  const zero = f32x4.splat(0);
  for (; n > 0; n -= 4) {
    const g = loadPart(gate, n, zero);
    const d = loadPart(dy, n, zero);
    const s = tanh ? geluTanhGate(g) : geluGate(g);
    const slope = tanh ? geluTanhSlope(g, s) : geluSlope(g, s);
    storePart(dgate, f32x4.mul(f32x4.mul(d, loadPart(up, n, zero)), slope), n);
    storePart(dup, f32x4.mul(d, f32x4.mul(g, s)), n);
    dy += 16;
    gate += 16;
    up += 16;
    dgate += 16;
    dup += 16;
  }
}

/** gelu(gate) * up; `tanh` is 1 for the tanh form. */
export function geglu(gate: usize, up: usize, out: usize, n: i32, tanh: i32): void {
  if (tanh) forward(true, gate, up, out, n);
  else forward(false, gate, up, out, n);
}

export function gegluBackward(dy: usize, gate: usize, up: usize, dgate: usize, dup: usize, n: i32, tanh: i32): void {
  if (tanh) backward(true, dy, gate, up, dgate, dup, n);
  else backward(false, dy, gate, up, dgate, dup, n);
}
