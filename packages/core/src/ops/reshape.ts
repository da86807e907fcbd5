import { defineOp, type Op } from "../op.ts";
import { formatShape, type Shape, sizeOf } from "../shape.ts";

function resolve(from: Shape, to: Shape): Shape {
  const size = sizeOf(from);
  const unknown = to.indexOf(-1);
  const known = sizeOf(to.filter((s) => s !== -1));
  const out = unknown < 0 ? to : to.map((s, i) => (i === unknown ? size / known : s));
  if (to.lastIndexOf(-1) !== unknown || sizeOf(out) !== size || !out.every((s) => Number.isInteger(s) && s >= 0)) {
    throw new Error(`reshape: cannot view ${formatShape(from)} (${size} elements) as ${formatShape(to)}`);
  }
  return out;
}

/** The same elements under another shape; one size may be -1. Free: the memory is shared. */
export const reshape: Op<1, { shape: Shape }> = defineOp({
  name: "reshape",
  view: true,
  shape: ([x], { shape }) => ({ shape: resolve(x.shape, shape), dtype: x.dtype }),
  vjp: ({ grads: [dy], inputSpecs: [x] }) => [reshape(dy, { shape: x.shape })],
});
