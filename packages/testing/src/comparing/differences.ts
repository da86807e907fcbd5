/** The largest difference between two arrays of equal length, with its index and both values. */
export interface LargestDifference {
  /** The largest absolute difference. Infinity if exactly one value is NaN. */
  difference: number;
  /** Index of the largest difference in the flat arrays. */
  index: number;
  a: number;
  b: number;
}

/**
 * Returns the largest absolute difference between elements of `a` and `b`. Two NaNs are equal. A NaN on one side is an
 * infinite difference. The arrays have the same length.
 */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): LargestDifference {
  const found = { difference: 0, index: 0, a: a[0] ?? 0, b: b[0] ?? 0 };
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i], b[i]];
    if (Object.is(x, y)) continue;
    const apart = Math.abs(x - y);
    const difference = Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart;
    if (difference > found.difference) Object.assign(found, { difference, index: i, a: x, b: y });
  }
  return found;
}

/** Returns the index of element `flat` of a row-major tensor as one index for each dimension. */
export function positionOf(flat: number, shape: readonly number[]): number[] {
  const position: number[] = [];
  for (let rest = flat, d = shape.length - 1; d >= 0; d--) {
    position.unshift(rest % shape[d]);
    rest = Math.floor(rest / shape[d]);
  }
  return position;
}

/** Returns a number with three significant digits, as messages show it. */
export function short(x: number): string {
  return x === 0 || (Math.abs(x) >= 1e-3 && Math.abs(x) < 1e4) ? String(Number(x.toPrecision(3))) : x.toExponential(2);
}
