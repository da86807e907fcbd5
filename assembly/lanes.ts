// Parts of vectors: the ends of rows whose length is not a multiple of four, and sums over lanes.

/** The first `count` (1 to 4) floats at `p`, `rest` above. */
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

/** The sum of four floats. */
// @ts-ignore: decorator
@inline
export function sumOf(v: v128): f32 {
  const pairs = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** The largest of four floats, or NaN where there is one. */
// @ts-ignore: decorator
@inline
export function maxOf(v: v128): f32 {
  const pairs = f32x4.max(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}
