// AdamW with moments of 8 bits, block by block.
import { madd, loadPart, storePart } from "../simd/lanes";
import { close, isClosed, notFinite } from "./guard";
import { roundToCodes } from "../quantize/nearestCode";

/** Number of elements that share one scale. */
const BLOCK: i32 = 256;

/** Dequantises `count` 8-bit codes to floats at `dst`. */
function widenCodes(codes: usize, table: usize, scale: f32, count: i32, dst: usize): void {
  for (let i = 0; i < count; i++) {
    const at = <usize>i;
    store<f32>(dst + (at << 2), load<f32>(table + (<usize>load<u8>(codes + at) << 2)) * scale);
  }
}

/**
 * Does the same step as `adamStep`, with moments that are stored as 8-bit codes at m and v. `room` is scratch for two
 * blocks of floats.
 */
export function adamStep8bit(
  p: usize, grad: usize, m: usize, v: usize, mScales: usize, vScales: usize, mTable: usize, vTable: usize, room: usize,
  n: i32, beta1: f32, rest1: f32, beta2: f32, rest2: f32, stepSize: f32, rootFactor: f32, eps: f32, shrink: f32,
  guard: usize, guardSize: i32, test: i32,
): void {
  if (!test && isClosed(guard, guardSize)) return;
  const zero = f32x4.splat(0);
  let bad = zero;
  const second = room + (<usize>BLOCK << 2);
  for (; n > 0; n -= BLOCK) {
    const count = min(BLOCK, n);
    widenCodes(m, mTable, load<f32>(mScales), count, room);
    widenCodes(v, vTable, load<f32>(vScales), count, second);
    for (let i = 0; i < count; i += 4) {
      const at = <usize>i << 2;
      const rest = count - i;
      const g = loadPart(grad + at, rest, zero);
      const a = madd(f32x4.splat(beta1), v128.load(room + at), f32x4.mul(f32x4.splat(rest1), g));
      const b = madd(f32x4.splat(beta2), v128.load(second + at), f32x4.mul(f32x4.mul(f32x4.splat(rest2), g), g));
      const root = madd(f32x4.sqrt(b), f32x4.splat(rootFactor), f32x4.splat(eps));
      const x = f32x4.mul(loadPart(p + at, rest, zero), f32x4.splat(shrink));
      const moved = f32x4.sub(x, f32x4.div(f32x4.mul(f32x4.splat(stepSize), a), root));
      if (test) {
        bad = v128.or(bad, v128.or(notFinite(moved, rest), v128.or(notFinite(a, rest), notFinite(b, rest))));
        continue;
      }
      storePart(p + at, moved, rest);
      v128.store(room + at, a);
      v128.store(second + at, b);
    }
    if (!test) {
      store<f32>(mScales, roundToCodes(room, mTable, count, m, true));
      store<f32>(vScales, roundToCodes(second, vTable, count, v, true));
    }
    const bytes = <usize>count << 2;
    p += bytes;
    grad += bytes;
    m += count;
    v += count;
    mScales += 4;
    vScales += 4;
  }
  if (v128.any_true(bad)) close(guard, guardSize);
}
