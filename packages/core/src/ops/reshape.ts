import { defineOp, type Op } from "../op.ts";
import { formatShape, type Shape, sizeOf } from "../shape.ts";

function resolve(from: Shape, to: Shape): Shape {
  const size = sizeOf(from);
  const unknown = to.indexOf(-1);
  // With one -1 among them, the product is that of the known sizes, negative.
  const out = unknown < 0 ? to : to.with(unknown, size / -sizeOf(to));
  if (to.lastIndexOf(-1) !== unknown || sizeOf(out) !== size || !out.every(isSize)) {
    throw new Error(`reshape: cannot view ${formatShape(from)} (${size} elements) as ${formatShape(to)}`);
  }
  return out;
}

const isSize = (size: number): boolean => Number.isInteger(size) && size >= 0;

/** The same elements under another shape; one size may be -1. Free: the memory is shared. */
export const reshape: Op<1, { shape: Shape }> = defineOp({
  name: "reshape",
  arity: 1,
  view: true,
  shape: ([x], { shape }) => ({ shape: resolve(x.shape, shape), dtype: x.dtype }),
  vjp: ({ grads: [dy], inputSpecs: [x] }) => [reshape(dy, { shape: x.shape })],
});
