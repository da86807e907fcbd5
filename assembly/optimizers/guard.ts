// Guards of optimiser steps: a few floats. A step is taken only if all of them are finite. A trial step sets the last
// one to NaN if it would write a value that is not finite.

/** Returns true if one of the n floats at `guard` is not finite. The step of the optimiser must then not be applied. */
export function isClosed(guard: usize, n: i32): bool {
  for (; n > 0; n--) {
    if (!(abs(load<f32>(guard)) < Infinity)) return true;
    guard += 4;
  }
  return false;
}

/** Sets the last of the n floats at `guard` to NaN, so that the step of the optimiser is not applied. */
export function close(guard: usize, n: i32): void {
  store<f32>(guard + (<usize>(n - 1) << 2), NaN);
}

/** Returns a mask with all bits set in each of the first `count` lanes of x that is not finite. */
// @ts-ignore: decorator
@inline
export function notFinite(x: v128, count: i32): v128 {
  const zero = f32x4.splat(0);
  return v128.and(f32x4.ne(f32x4.mul(x, zero), zero), i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(count)));
}
