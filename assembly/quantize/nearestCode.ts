// The 8-bit codes of block-wise quantisation: indices in an ascending table of 256 floats.
import { loadPart, maxOf } from "../simd/lanes";

/**
 * One step of a binary search in an ascending table. Returns the offset `at + step` if the entry there is at most x,
 * otherwise `at`.
 */
// @ts-ignore: decorator
@inline
function narrowed(table: usize, at: usize, step: usize, x: f32): usize {
  const next = at + step;
  return select(next, at, x >= load<f32>(table + next));
}

/**
 * Returns the index of the entry nearest to x: either the entry at the byte offset `at` or the next one. If both are
 * equally near, returns the index of the first.
 */
// @ts-ignore: decorator
@inline
function nearer(table: usize, at: usize, x: f32): i32 {
  const entry = table + at;
  const isLast = at == 1020;
  const above = load<f32>(isLast ? entry : entry + 4) - x;
  return <i32>(at >> 2) + i32(!isLast && above < x - load<f32>(entry));
}

/** Returns the index of the table entry nearest to x; the first one if two are equally near. NaN gives 0. */
// @ts-ignore: decorator
@inline
function nearestCode(table: usize, x: f32): i32 {
  let at: usize = 0;
  for (let step: usize = 512; step > 2; step >>= 1) at = narrowed(table, at, step, x);
  return nearer(table, at, x);
}

/**
 * Finds the nearest entries for four values at once, in four independent searches. Returns the indices as four bytes,
 * the first value's in the lowest byte.
 */
// @ts-ignore: decorator
@inline
function nearestCodes(table: usize, v: v128): i32 {
  const x0 = f32x4.extract_lane(v, 0);
  const x1 = f32x4.extract_lane(v, 1);
  const x2 = f32x4.extract_lane(v, 2);
  const x3 = f32x4.extract_lane(v, 3);
  let a: usize = 0;
  let b: usize = 0;
  let c: usize = 0;
  let d: usize = 0;
  for (let step: usize = 512; step > 2; step >>= 1) {
    a = narrowed(table, a, step, x0);
    b = narrowed(table, b, step, x1);
    c = narrowed(table, c, step, x2);
    d = narrowed(table, d, step, x3);
  }
  const low = nearer(table, a, x0) | (nearer(table, b, x1) << 8);
  return low | (nearer(table, c, x2) << 16) | (nearer(table, d, x3) << 24);
}

/** Returns the largest magnitude of `count` floats, or NaN if one is NaN. */
export function largestOf(x: usize, count: i32): f32 {
  const zero = f32x4.splat(0);
  let most = zero;
  for (let i = 0; i < count; i += 4) most = f32x4.max(most, f32x4.abs(loadPart(x + (<usize>i << 2), count - i, zero)));
  return maxOf(most);
}

/**
 * Rounds x to the nearest of 65536 evenly spaced points from -1 to 1, which do not include 0, as `onGrid` of
 * packages/core/src/packed/blockwise/eightBit.ts does.
 */
// @ts-ignore: decorator
@inline
function onGrid(x: v128): v128 {
  const one = f32x4.splat(1);
  const at = f32x4.floor(f32x4.add(f32x4.mul(f32x4.add(x, one), f32x4.splat(32767.5)), f32x4.splat(0.5)));
  return f32x4.sub(f32x4.mul(at, f32x4.splat(<f32>(2.0 / 65535))), one);
}

/**
 * Quantises one block of `count` values to the nearest codes of `table`, after dividing them by the block's scale. If
 * `grid` is true, first rounds the quotients to the grid of `onGrid`. Returns the scale, which is the largest magnitude
 * of the block.
 */
export function roundToCodes(values: usize, table: usize, count: i32, codes: usize, grid: bool): f32 {
  const scale = largestOf(values, count);
  if (scale == 0) {
    memory.fill(codes, 0, count);
    return scale;
  }
  const inverse: f32 = 1 / scale;
  const factor = f32x4.splat(inverse);
  for (; count >= 4; count -= 4) {
    const x = f32x4.mul(v128.load(values), factor);
    store<u32>(codes, nearestCodes(table, grid ? onGrid(x) : x));
    values += 16;
    codes += 4;
  }
  for (; count > 0; count--) {
    const x = f32x4.splat(load<f32>(values) * inverse);
    store<u8>(codes, <u8>nearestCode(table, f32x4.extract_lane(grid ? onGrid(x) : x, 0)));
    values += 4;
    codes++;
  }
  return scale;
}
