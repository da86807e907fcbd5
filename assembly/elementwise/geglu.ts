import { mul } from "./elementwise";
import { geluGate, geluSlope, geluTanhGate, geluTanhSlope } from "./gelu";
import { scratch } from "../simd/gemmState";
import { loadPart, storePart } from "../simd/lanes";
import { BLOCK } from "../simd/logSumExp";
import { gelu, geluTanh } from "./unary";

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

/** Computes gelu(gate) * up. `tanh` is 1 for GELU's tanh approximation. */
export function geglu(gate: usize, up: usize, out: usize, n: i32, tanh: i32): void {
  for (; n > 0; n -= BLOCK) {
    const m = min(BLOCK, n);
    if (tanh) geluTanh(gate, scratch, m);
    else gelu(gate, scratch, m);
    mul(scratch, up, out, 1, m, m, m, 1, 1);
    gate += BLOCK << 2;
    up += BLOCK << 2;
    out += BLOCK << 2;
  }
}

export function gegluBackward(dy: usize, gate: usize, up: usize, dgate: usize, dup: usize, n: i32, tanh: i32): void {
  if (tanh) backward(true, dy, gate, up, dgate, dup, n);
  else backward(false, dy, gate, up, dgate, dup, n);
}
