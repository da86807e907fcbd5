// The 8-bit codes of block-wise quantisation: positions in an ascending table of 256 floats.
import { loadPart, maxOf } from "./lanes";

/** The position of the entry nearest to x; of two equally near, the first. NaN gives 0. */
// @ts-ignore: decorator
@inline
function nearestCode(table: usize, x: f32): i32 {
  let at: usize = 0;
  for (let step: usize = 128; step > 0; step >>= 1) {
    const next = at + step;
    at = select(next, at, x >= load<f32>(table + (next << 2)));
  }
  if (at == 255) return 255;
  const entry = table + (at << 2);
  return <i32>(at + <usize>(load<f32>(entry, 4) - x < x - load<f32>(entry)));
}

/** The largest magnitude of `count` floats, or NaN where there is one. */
export function largestOf(x: usize, count: i32): f32 {
  const zero = f32x4.splat(0);
  let most = zero;
  for (let i = 0; i < count; i += 4) most = f32x4.max(most, f32x4.abs(loadPart(x + (<usize>i << 2), count - i, zero)));
  return maxOf(most);
}

/** Rounds `count` numbers to the nearest codes of their block, whose scale, their largest magnitude, is returned. */
export function roundToCodes(values: usize, table: usize, count: i32, codes: usize): f32 {
  const scale = largestOf(values, count);
  if (scale == 0) {
    memory.fill(codes, 0, count);
    return scale;
  }
  const inverse: f32 = 1 / scale;
  for (let i = 0; i < count; i++) {
    const at = <usize>i;
    store<u8>(codes + at, <u8>nearestCode(table, load<f32>(values + (at << 2)) * inverse));
  }
  return scale;
}
