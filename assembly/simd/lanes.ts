// Vector helpers: the ends of rows whose length is not a multiple of four, sums over lanes, and transposes of four
// vectors.

/** Returns the first `count` (1 to 4) floats at `p`, and in the other lanes the lanes of `rest`. */
// @ts-ignore: decorator
@inline
export function loadPart(p: usize, count: i32, rest: v128): v128 {
  if (count >= 4) return v128.load(p);
  let v = v128.load32_lane(p, rest, 0);
  if (count > 1) v = v128.load32_lane(p + 4, v, 1);
  if (count > 2) v = v128.load32_lane(p + 8, v, 2);
  return v;
}

/** Stores the first `count` (1 to 4) floats of `v`. */
// @ts-ignore: decorator
@inline
export function storePart(p: usize, v: v128, count: i32): void {
  if (count >= 4) {
    v128.store(p, v);
    return;
  }
  v128.store32_lane(p, v, 0);
  if (count > 1) v128.store32_lane(p + 4, v, 1);
  if (count > 2) v128.store32_lane(p + 8, v, 2);
}

/** Returns the sum of the four lanes. */
// @ts-ignore: decorator
@inline
export function sumOf(v: v128): f32 {
  const pairs = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** Returns the largest of the four lanes, or NaN if one is NaN. */
// @ts-ignore: decorator
@inline
export function maxOf(v: v128): f32 {
  const pairs = f32x4.max(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** Returns lanes 0 and 1 of a and b, interleaved. */
// @ts-ignore: decorator
@inline
export function zipFirst(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 0, 4, 1, 5);
}

/** Returns lanes 2 and 3 of a and b, interleaved. */
// @ts-ignore: decorator
@inline
export function zipLast(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 2, 6, 3, 7);
}

/** Returns lanes 0 and 1 of a, then of b. */
// @ts-ignore: decorator
@inline
export function firstHalves(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(a, b, 0, 2);
}

/** Returns lanes 2 and 3 of a, then of b. */
// @ts-ignore: decorator
@inline
export function lastHalves(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(a, b, 1, 3);
}

/** Returns the low eight bytes of a and b, interleaved. */
// @ts-ignore: decorator
@inline
export function zipLow(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/** Returns the high eight bytes of a and b, interleaved. */
// @ts-ignore: decorator
@inline
export function zipHigh(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** Stores four vectors transposed: first lane 0 of each, then lane 1, 2 and 3 of each, `step` bytes apart. */
// @ts-ignore: decorator
@inline
export function storeTransposed(a: v128, b: v128, c: v128, d: v128, dst: usize, step: usize): void {
  const ab0 = zipFirst(a, b);
  const ab1 = zipLast(a, b);
  const cd0 = zipFirst(c, d);
  const cd1 = zipLast(c, d);
  v128.store(dst, firstHalves(ab0, cd0));
  v128.store(dst + step, lastHalves(ab0, cd0));
  v128.store(dst + 2 * step, firstHalves(ab1, cd1));
  v128.store(dst + 3 * step, lastHalves(ab1, cd1));
}

/**
 * Stores two vectors next to each other. Compute both before the call: engines that fuse adjacent operations into
 * 256-bit ones then also fuse the operations that lead to the stores.
 */
// @ts-ignore: decorator
@inline
export function storePair(to: usize, low: v128, high: v128): void {
  v128.store(to, low);
  v128.store(to, high, 16);
}

/** Adds two vectors to the two adjacent vectors at an address. */
// @ts-ignore: decorator
@inline
export function addPair(to: usize, low: v128, high: v128): void {
  storePair(to, f32x4.add(v128.load(to), low), f32x4.add(v128.load(to, 16), high));
}

/** Loads the first four bytes of each of four blocks into one vector. */
// @ts-ignore: decorator
@inline
export function heads(a: usize, b: usize, c: usize, d: usize): v128 {
  return v128.load32_lane(d, v128.load32_lane(c, v128.load32_lane(b, v128.load32_zero(a), 1), 2), 3);
}

/** Stores alpha * sum, a result of a product, at c or, if `add`, adds it to the float at c. */
// @ts-ignore: decorator
@inline
export function put(c: usize, sum: f32, alpha: f32, add: bool): void {
  store<f32>(c, add ? load<f32>(c) + alpha * sum : alpha * sum);
}

/**
 * Returns x * y + sum. The result is rounded once (fused) in builds with relaxed SIMD, otherwise after the product and
 * after the sum.
 */
// @ts-ignore: decorator
@inline
export function madd(x: v128, y: v128, sum: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(x, y, sum) : f32x4.add(sum, f32x4.mul(x, y));
}
