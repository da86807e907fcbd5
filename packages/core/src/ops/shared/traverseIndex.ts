import type { Traversal } from "../../layout/broadcast.ts";
import { type Shape, stridesOf } from "../../layout/shape.ts";

/**
 * Returns how to walk the index tensor of `gather` or `scatterAdd` in step with `table`. Table offsets are for position
 * 0 of `dim`.
 */
export function traverseIndex(index: Shape, table: Shape, dim: number): Traversal {
  if (index.length === 0) return { sizes: [1], strides: [[0]] };
  return { sizes: index, strides: [stridesOf(table).map((stride, d) => (d === dim ? 0 : stride))] };
}
