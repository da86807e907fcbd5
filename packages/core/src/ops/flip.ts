import { forEachRow } from "../broadcast.ts";
import { defineOp, type Op } from "../op.ts";
import { normalizeDim, type Shape, stridesOf } from "../shape.ts";

/** x with the order of elements reversed along each of `dims`. Any dtype. */
export const flip: Op<1, { dims: Shape }> = defineOp({
  name: "flip",
  shape: ([x], { dims }) => {
    for (const dim of dims) normalizeDim("flip", dim, x.shape.length);
    return { shape: x.shape, dtype: x.dtype };
  },
  ref: ([x], [out], { dims }) => {
    const strides = stridesOf(x.shape);
    let base = 0;
    for (const dim of dims) {
      const d = normalizeDim("flip", dim, x.shape.length);
      base += strides[d] * (x.shape[d] - 1);
      strides[d] = -strides[d];
    }
    forEachRow({ sizes: [1, ...x.shape], strides: [[0, ...strides]] }, (o, [i], n, [step]) => {
      for (let j = 0; j < n; j++) out.data[o + j] = x.data[base + i + j * step];
    });
  },
  vjp: ({ grads: [dy], params }) => [flip(dy, params)],
});
