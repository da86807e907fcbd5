// Helpers shared by the kinds of codes of rows of floats.

/**
 * The bits of 2^80. Larger magnitudes, infinity and NaN get no codes for products with weights in blocks: multiplied by
 * a block's scale, at most 2^26, sums of long rows could leave the range of f32.
 */
export const TOO_LARGE: i32 = 0x67800000;

/** Rows of a tile of codes. */
export const INT8_ROWS: i32 = 4;

/** Bytes of a quantised row: its codes, in `planes` planes, then scale and scaled sum of each block. */
// @ts-ignore: decorator
@inline
export function int8RowBytes(k: i32, planes: i32): usize {
  return <usize>(k * planes + (k >> 2));
}

/** Four floats times `factor` as integers. */
// @ts-ignore: decorator
@inline
export function rounded(x: usize, factor: v128, rounder: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(v128.load(x), factor), rounder), rounder);
}

/**
 * The largest of 16 floats as bits without their signs, in four lanes. The order of the bits is the order of the
 * magnitudes, with NaN above all.
 */
// @ts-ignore: decorator
@inline
function topOf(x: usize, magnitude: v128): v128 {
  const a = i32x4.max_s(v128.and(v128.load(x), magnitude), v128.and(v128.load(x, 16), magnitude));
  const b = i32x4.max_s(v128.and(v128.load(x, 32), magnitude), v128.and(v128.load(x, 48), magnitude));
  return i32x4.max_s(a, b);
}

/** The largest magnitude of 32 floats, as an integer of its bits. */
// @ts-ignore: decorator
@inline
export function topOfBlock(x: usize, magnitude: v128): i32 {
  let top = i32x4.max_s(topOf(x, magnitude), topOf(x + 64, magnitude));
  top = i32x4.max_s(top, v128.shuffle<i32>(top, top, 2, 3, 0, 1));
  return max(i32x4.extract_lane(top, 0), i32x4.extract_lane(top, 1));
}

/** Writes four lanes `step` bytes apart. */
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
