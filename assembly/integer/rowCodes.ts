// Helpers shared by the kinds of codes of rows of floats.

/**
 * The bit pattern of 2^80 as f32. Rows with a larger magnitude, an infinity or a NaN get no codes. Sums of long rows
 * are multiplied by a weight's scale, which can be 2^26, and could otherwise leave the range of f32.
 */
export const TOO_LARGE: i32 = 0x67800000;

/** Number of rows in a tile of codes. */
export const INT8_ROWS: i32 = 4;

/**
 * Returns the size in bytes of a quantised row of k elements: `planes` bytes per code, and a scale and a scaled sum
 * (two floats) per block of 32.
 */
// @ts-ignore: decorator
@inline
export function int8RowBytes(k: i32, planes: i32): usize {
  return <usize>(k * planes + (k >> 2));
}

/** Multiplies four floats by `factor` and rounds them to integers. `rounder` is 1.5 * 2^23. */
// @ts-ignore: decorator
@inline
export function rounded(x: usize, factor: v128, rounder: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(v128.load(x), factor), rounder), rounder);
}

/**
 * Returns four partial maxima of the magnitudes of 16 floats, as bit patterns without the sign. As integers, bit
 * patterns have the order of the magnitudes, with NaN above all.
 */
// @ts-ignore: decorator
@inline
function topOf(x: usize, magnitude: v128): v128 {
  const a = i32x4.max_s(v128.and(v128.load(x), magnitude), v128.and(v128.load(x, 16), magnitude));
  const b = i32x4.max_s(v128.and(v128.load(x, 32), magnitude), v128.and(v128.load(x, 48), magnitude));
  return i32x4.max_s(a, b);
}

/** Returns the largest magnitude of 32 floats as its bit pattern, for integer comparison. */
// @ts-ignore: decorator
@inline
export function topOfBlock(x: usize, magnitude: v128): i32 {
  let top = i32x4.max_s(topOf(x, magnitude), topOf(x + 64, magnitude));
  top = i32x4.max_s(top, v128.shuffle<i32>(top, top, 2, 3, 0, 1));
  return max(i32x4.extract_lane(top, 0), i32x4.extract_lane(top, 1));
}

/** Stores the four 32-bit lanes of a vector `step` bytes apart. */
// @ts-ignore: decorator
@inline
export function storeLanes(dst: usize, step: usize, lanes: v128): void {
  if (step == 4) {
    v128.store(dst, lanes);
    return;
  }
  v128.store32_lane(dst, lanes, 0);
  v128.store32_lane(dst + step, lanes, 1);
  v128.store32_lane(dst + 2 * step, lanes, 2);
  v128.store32_lane(dst + 3 * step, lanes, 3);
}
