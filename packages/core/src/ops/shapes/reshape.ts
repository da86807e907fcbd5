import type { TensorSpec } from "../../backends/backend.ts";
import { defineOp, type Op } from "../../engine/op.ts";
import { isPacked } from "../../layout/dtype.ts";
import { formatShape, type Shape, sizeOf } from "../../layout/shape.ts";

function resolve({ shape: from, dtype }: TensorSpec, to: Shape): Shape {
  const size = sizeOf(from);
  const unknown = to.indexOf(-1);
  // With one -1 in the shape, `sizeOf` is negative: minus the product of the known sizes.
  const out = unknown < 0 ? to : to.with(unknown, size / -sizeOf(to));
  const cut = isPacked(dtype) && out.at(-1) !== from.at(-1);
  if (to.lastIndexOf(-1) !== unknown || sizeOf(out) !== size || !out.every(isSize) || cut) {
    const why = cut ? "packed: its last size stays" : `${size} elements`;
    throw new Error(`reshape: cannot view ${formatShape(from)} (${why}) as ${formatShape(to)}`);
  }
  return out;
}

const isSize = (size: number): boolean => Number.isInteger(size) && size >= 0;

/**
 * Returns the same elements with another shape; one size may be -1. Shares the memory, so it costs nothing. A packed
 * weight must keep its last size, since its rows consist of blocks.
 */
export const reshape: Op<1, { shape: Shape }> = defineOp({
  name: "reshape",
  arity: 1,
  view: true,
  packed: [0],
  shape: ([x], { shape }) => ({ shape: resolve(x, shape), dtype: x.dtype, packing: x.packing }),
  vjp: ({ grads: [dy], inputSpecs: [x] }) => [reshape(dy, { shape: x.shape })],
});
