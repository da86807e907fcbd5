// Parts of the quantisers of K-blocks. They follow ggml's reference step by step, with each step rounded to f32. They
// process four groups at once, one in each lane, so that the order of each group's sums is kept.

/** Rounds four floats to the nearest integers, ties to even, by adding 1.5 * 2^23. */
// @ts-ignore: decorator
@inline
export function nearestOf(x: v128): v128 {
  const sum = f32x4.add(x, f32x4.splat(12582912));
  return i32x4.sub(v128.and(sum, i32x4.splat(0x7fffff)), i32x4.splat(0x400000));
}

/** Rounds one float to the nearest integer, ties to even, by adding 1.5 * 2^23. */
// @ts-ignore: decorator
@inline
export function nearestTo(x: f32): i32 {
  return (reinterpret<i32>(x + <f32>12582912) & 0x7fffff) - 0x400000;
}

/** Rounds four floats to the nearest integers and limits them to `least`..`most`. */
// @ts-ignore: decorator
@inline
export function nearestWithin(x: v128, least: i32, most: i32): v128 {
  return i32x4.max_s(i32x4.min_s(nearestOf(x), i32x4.splat(most)), i32x4.splat(least));
}

/**
 * Transposes four consecutive groups of `size` elements: vector i of the result holds element i of each group, one per
 * lane.
 */
export function toLanes(x: usize, size: usize, to: usize): void {
  const stride = size << 2;
  for (let i: usize = 0; i < stride; i += 16) {
    const a = v128.load(x + i);
    const b = v128.load(x + i + stride);
    const c = v128.load(x + i + 2 * stride);
    const d = v128.load(x + i + 3 * stride);
    const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
    const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
    const above = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
    const below = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
    const at = to + 4 * i;
    v128.store(at, v128.shuffle<i32>(ab, cd, 0, 1, 4, 5));
    v128.store(at, v128.shuffle<i32>(ab, cd, 2, 3, 6, 7), 16);
    v128.store(at, v128.shuffle<i32>(above, below, 0, 1, 4, 5), 32);
    v128.store(at, v128.shuffle<i32>(above, below, 2, 3, 6, 7), 48);
  }
}

/**
 * Stores four codes, one per lane: lane j becomes element `i` of group j. The groups have `size` bytes each and follow
 * one another.
 */
// @ts-ignore: decorator
@inline
export function putCodes(codes: usize, size: usize, i: usize, lanes: v128): void {
  store<u8>(codes + i, i32x4.extract_lane(lanes, 0));
  store<u8>(codes + i + size, i32x4.extract_lane(lanes, 1));
  store<u8>(codes + i + 2 * size, i32x4.extract_lane(lanes, 2));
  store<u8>(codes + i + 3 * size, i32x4.extract_lane(lanes, 3));
}

/** Narrows 16 small integers in four vectors to 16 bytes. */
// @ts-ignore: decorator
@inline
export function bytesOf(a: v128, b: v128, c: v128, d: v128): v128 {
  return i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}

/** Returns true if all 256 elements of a block are finite. */
export function isFinite256(x: usize): bool {
  let off = f32x4.splat(0);
  for (let i: usize = 0; i < 1024; i += 16) {
    const v = v128.load(x + i);
    // 0 for finite values, NaN for others.
    off = f32x4.add(off, f32x4.sub(v, v));
  }
  return i32x4.all_true(f32x4.eq(off, off));
}

/** Returns the bits of the f16 nearest to x. Beyond the range of f16 they are 0x7c00 (infinity). */
export function halfCode(x: f32): u32 {
  const bits = reinterpret<u32>(x);
  const sign = (bits >> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13);
  // 0.5 has steps of 2^-24, the smallest f16.
  return sign | (reinterpret<u32>(reinterpret<f32>(magnitude) + <f32>0.5) - 0x3f000000);
}
