import type { Traversal } from "../../layout/broadcast.ts";
import { type Shape, stridesOf } from "../../layout/shape.ts";

/** Returns the error for an index outside 0..size-1. */
export function indexError(op: string, size: number, index: number): Error {
  return new Error(`${op}: index ${index} is out of range for ${size} entries; use 0..${size - 1}`);
}

/** Returns `index`. Throws if it is not in 0..size-1. */
export function checkIndex(op: string, index: number, size: number): number {
  if (index < 0 || index >= size) throw indexError(op, size, index);
  return index;
}

/**
 * Returns the sizes and strides for a loop over the index tensor of `gather` or `scatterAdd`. For each element of the
 * index, the strides give the offset in `table` of the element with the same coordinates, but with coordinate 0 along
 * `dim`. The loop then adds the offset along `dim` that the index selects.
 */
export function traverseIndex(index: Shape, table: Shape, dim: number): Traversal {
  if (index.length === 0) return { sizes: [1], strides: [[0]] };
  return { sizes: index, strides: [stridesOf(table).map((stride, d) => (d === dim ? 0 : stride))] };
}
