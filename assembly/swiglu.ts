import { loadPart, storePart } from "./lanes";
import { sigmoidf4 } from "./math";

export function swiglu(gate: usize, up: usize, out: usize, n: i32): void {
  const zero = f32x4.splat(0);
  for (; n > 0; n -= 4) {
    const g = loadPart(gate, n, zero);
    storePart(out, f32x4.mul(f32x4.mul(g, sigmoidf4(g)), loadPart(up, n, zero)), n);
    gate += 16;
    up += 16;
    out += 16;
  }
}

export function swigluBackward(dy: usize, gate: usize, up: usize, dgate: usize, dup: usize, n: i32): void {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  for (; n > 0; n -= 4) {
    const g = loadPart(gate, n, zero);
    const d = loadPart(dy, n, zero);
    const s = sigmoidf4(g);
    const silu = f32x4.mul(g, s);
    const slope = f32x4.mul(s, f32x4.add(one, f32x4.sub(g, silu)));
    storePart(dgate, f32x4.mul(f32x4.mul(d, loadPart(up, n, zero)), slope), n);
    storePart(dup, f32x4.mul(d, silu), n);
    dy += 16;
    gate += 16;
    up += 16;
    dgate += 16;
    dup += 16;
  }
}
