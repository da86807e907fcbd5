import { scratch } from "../simd/gemmState";
import { storePair } from "../simd/lanes";
import { BLOCK } from "../simd/logSumExp";
import { expAll } from "../simd/math";

/**
 * Size in bytes of the exponentials of a block, which are at the start of scratch memory. If a block ends with an
 * incomplete vector, the elements of this vector are copied to the memory after the exponentials.
 */
const EXPONENTIALS: usize = <usize>BLOCK << 2;

/** Returns 1 / (1 + e), which is the logistic function of x if e = exp(-x). */
// @ts-ignore: decorator
@inline
function share(e: v128): v128 {
  return f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), e));
}

// @ts-ignore: decorator
@inline
function gated(gate: v128, e: v128, up: v128): v128 {
  return f32x4.mul(f32x4.mul(gate, share(e)), up);
}

export function swiglu(gate: usize, up: usize, out: usize, n: i32): void {
  while (n >= 8) {
    const m = min(BLOCK, n & ~7);
    expAll(gate, scratch, m, -1, 0);
    let e = scratch;
    for (const end = e + (<usize>m << 2); e < end; e += 32) {
      const low = gated(v128.load(gate), v128.load(e), v128.load(up));
      storePair(out, low, gated(v128.load(gate, 16), v128.load(e, 16), v128.load(up, 16)));
      gate += 32;
      up += 32;
      out += 32;
    }
    n -= m;
  }
  if (n <= 0) return;
  const bytes = <usize>n << 2;
  const rest = scratch + EXPONENTIALS;
  memory.copy(rest, gate, bytes);
  memory.copy(rest + 32, up, bytes);
  swiglu(rest, rest + 32, rest, 8);
  memory.copy(out, rest, bytes);
}

// @ts-ignore: decorator
@inline
function slope(gate: v128, sigmoid: v128): v128 {
  return f32x4.mul(sigmoid, f32x4.add(f32x4.splat(1), f32x4.sub(gate, f32x4.mul(gate, sigmoid))));
}

export function swigluBackward(dy: usize, gate: usize, up: usize, dgate: usize, dup: usize, n: i32): void {
  while (n >= 8) {
    const m = min(BLOCK, n & ~7);
    expAll(gate, scratch, m, -1, 0);
    let e = scratch;
    for (const end = e + (<usize>m << 2); e < end; e += 32) {
      const g0 = v128.load(gate);
      const g1 = v128.load(gate, 16);
      const d0 = v128.load(dy);
      const d1 = v128.load(dy, 16);
      const s0 = share(v128.load(e));
      const s1 = share(v128.load(e, 16));
      const low = f32x4.mul(f32x4.mul(d0, v128.load(up)), slope(g0, s0));
      const high = f32x4.mul(f32x4.mul(d1, v128.load(up, 16)), slope(g1, s1));
      storePair(dgate, low, high);
      storePair(dup, f32x4.mul(d0, f32x4.mul(g0, s0)), f32x4.mul(d1, f32x4.mul(g1, s1)));
      dy += 32;
      gate += 32;
      up += 32;
      dgate += 32;
      dup += 32;
    }
    n -= m;
  }
  if (n <= 0) return;
  const bytes = <usize>n << 2;
  const rest = scratch + EXPONENTIALS;
  memory.copy(rest, dy, bytes);
  memory.copy(rest + 32, gate, bytes);
  memory.copy(rest + 64, up, bytes);
  swigluBackward(rest, rest + 32, rest + 64, rest, rest + 32, 8);
  memory.copy(dgate, rest, bytes);
  memory.copy(dup, rest + 32, bytes);
}
