// Sums in double precision: planes of floats are added to an array of f64, which is rounded to f32 at the end.

/** Returns the sum of n floats. */
function sumRow(x: usize, n: i32): f64 {
  let s0 = f64x2.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  for (; n >= 8; n -= 8) {
    const u = v128.load(x);
    const v = v128.load(x, 16);
    s0 = f64x2.add(s0, f64x2.promote_low_f32x4(u));
    s1 = f64x2.add(s1, f64x2.promote_low_f32x4(v128.shuffle<f32>(u, u, 2, 3, 2, 3)));
    s2 = f64x2.add(s2, f64x2.promote_low_f32x4(v));
    s3 = f64x2.add(s3, f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3)));
    x += 32;
  }
  const s = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3));
  let sum = f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
  for (; n > 0; n--) {
    sum += load<f32>(x);
    x += 4;
  }
  return sum;
}

/**
 * Computes sums[j] += the sum of column j, for `count` (8 or 1) columns of a matrix whose rows are `stride` bytes
 * apart.
 */
// @ts-ignore: decorator
@inline
function sumColumns(x: usize, sums: usize, rows: i32, stride: usize, count: i32): void {
  if (count == 1) {
    let sum = load<f64>(sums);
    for (; rows > 0; rows--) {
      sum += load<f32>(x);
      x += stride;
    }
    store<f64>(sums, sum);
    return;
  }
  let s0 = v128.load(sums);
  let s1 = v128.load(sums, 16);
  let s2 = v128.load(sums, 32);
  let s3 = v128.load(sums, 48);
  for (; rows > 0; rows--) {
    const u = v128.load(x);
    const v = v128.load(x, 16);
    s0 = f64x2.add(s0, f64x2.promote_low_f32x4(u));
    s1 = f64x2.add(s1, f64x2.promote_low_f32x4(v128.shuffle<f32>(u, u, 2, 3, 2, 3)));
    s2 = f64x2.add(s2, f64x2.promote_low_f32x4(v));
    s3 = f64x2.add(s3, f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3)));
    x += stride;
  }
  v128.store(sums, s0);
  v128.store(sums, s1, 16);
  v128.store(sums, s2, 32);
  v128.store(sums, s3, 48);
}

/**
 * Adds a plane of `rows` x `n` floats to f64 sums: element (r, j) is added to sums[r * rowStride + j * step], where
 * `step` is 0 or 1. Rows of x are `stride` floats apart. The caller sets the sums to zero first.
 */
export function sumPlane(x: usize, sums: usize, rows: i32, n: i32, stride: i32, rowStride: i32, step: i32): void {
  const bytes = <usize>stride << 2;
  if (step == 0) {
    for (; rows > 0; rows--) {
      store<f64>(sums, load<f64>(sums) + sumRow(x, n));
      x += bytes;
      sums += <usize>rowStride << 3;
    }
    return;
  }
  // Rows that are added to the same sums are summed column by column in registers; others one by one.
  const together = rowStride == 0 ? rows : 1;
  for (; rows > 0; rows -= together) {
    let p = x;
    let s = sums;
    let j = n;
    for (; j >= 8; j -= 8) {
      sumColumns(p, s, together, bytes, 8);
      p += 32;
      s += 64;
    }
    for (; j > 0; j--) {
      sumColumns(p, s, together, bytes, 1);
      p += 4;
      s += 8;
    }
    x += bytes;
    sums += <usize>rowStride << 3;
  }
}

/** Computes cumulative sums along n of [outer, n, inner]. `sums` is scratch for `inner` doubles. */
export function cumsum(x: usize, out: usize, sums: usize, outer: i32, n: i32, inner: i32): void {
  for (; outer > 0; outer--) {
    if (inner == 1) {
      let sum: f64 = 0;
      for (let j = 0; j < n; j++) {
        sum += <f64>load<f32>(x);
        store<f32>(out, <f32>sum);
        x += 4;
        out += 4;
      }
      continue;
    }
    memory.fill(sums, 0, <usize>inner << 3);
    for (let j = 0; j < n; j++) {
      for (let i = 0; i < inner; i++) {
        const s = sums + (<usize>i << 3);
        const sum = load<f64>(s) + <f64>load<f32>(x);
        store<f64>(s, sum);
        store<f32>(out, <f32>sum);
        x += 4;
        out += 4;
      }
    }
  }
}

/** Converts n doubles to floats. */
export function narrow(x: usize, out: usize, n: i32): void {
  for (; n > 0; n--) {
    store<f32>(out, <f32>load<f64>(x));
    x += 8;
    out += 4;
  }
}
