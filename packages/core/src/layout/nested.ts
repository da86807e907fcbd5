import type { TypedArray } from "./dtype.ts";
import { type Shape, sizeOf } from "./shape.ts";

/** A number or boolean, or arrays of them, nested by dimension. */
export type NestedArray = number | boolean | NestedArray[];

/**
 * Returns the elements, from index `start` on, in arrays nested by `shape`. If `asBooleans`, they are converted to
 * booleans.
 */
export function nested(data: TypedArray, shape: Shape, asBooleans: boolean, start = 0): NestedArray {
  if (shape.length === 0) return asBooleans ? data[start] !== 0 : data[start];
  const rest = shape.slice(1);
  const stride = sizeOf(rest);
  return Array.from({ length: shape[0] }, (_, i) => nested(data, rest, asBooleans, start + i * stride));
}
