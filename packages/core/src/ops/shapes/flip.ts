import { tensor } from "../../creation/makeTensor.ts";
import { defineOp, type Op } from "../../engine/op.ts";
import { forEachRow } from "../../layout/broadcast.ts";
import { normalizeDim, type Shape, stridesOf } from "../../layout/shape.ts";
import { indexSelect } from "./indexSelect.ts";
import { reshape } from "./reshape.ts";
import { slice } from "./slice.ts";

/** Returns x with the order of elements reversed along each of `dims`. Supports every dtype. */
export const flip: Op<1, { dims: Shape }> = defineOp({
  name: "flip",
  arity: 1,
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
  compose: ([x], { dims }) => {
    const { backend } = x.storage;
    const { shape } = x;
    let flipped = reshape(slice(reshape(x, { shape: [x.size] }), {}), { shape });
    for (const dim of dims) {
      const n = shape[normalizeDim("flip", dim, shape.length)];
      const backwards = Int32Array.from({ length: n }, (_, i) => n - 1 - i);
      flipped = indexSelect(flipped, tensor(backwards, { backend }), { dim });
    }
    return flipped;
  },
  vjp: ({ grads: [dy], params }) => [flip(dy, params)],
});
