import { formatShape, type Shape, sameShape, stridesOf } from "../layout/shape.ts";

/** The values of a tensor, and its shape. */
export interface Numbers {
  readonly shape: Shape;
  readonly data: ArrayLike<number>;
}

/**
 * Throws unless each value is within `tolerance` of the expected one, relative to the largest finite expected
 * magnitude. Infinities must be equal, and NaN must be where NaN is expected.
 */
export function expectClose(what: string, actual: Numbers, expected: Numbers, tolerance: number): void {
  if (!sameShape(actual.shape, expected.shape)) {
    throw new Error(`${what}: shape ${formatShape(actual.shape)} instead of ${formatShape(expected.shape)}`);
  }
  const wanted = Array.from(expected.data);
  const largest = wanted.reduce((top, v) => (Number.isFinite(v) ? Math.max(top, Math.abs(v)) : top), 0);
  const limit = tolerance * largest;
  for (const [i, e] of wanted.entries()) {
    const a = actual.data[i];
    if (Number.isFinite(e) ? Math.abs(a - e) <= limit : Object.is(a, e)) continue;
    const at = stridesOf(expected.shape).map((stride, d) => Math.floor(i / stride) % expected.shape[d]);
    throw new Error(
      `${what}: ${formatShape(at)} is ${a} instead of ${e} (allowed difference ${limit.toExponential(1)})`,
    );
  }
}
