import { scalarLike } from "../../creation/create.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { add } from "../binary/add.ts";
import { flip } from "../shapes/flip.ts";
import { place, slice } from "../shapes/slice.ts";
import { alongDim } from "../shared/alongDim.ts";

/** Returns cumulative sums along `dim`, accumulated in f64. */
export const cumsum: Op<1, { dim: number }> = defineOp({
  name: "cumsum",
  arity: 1,
  options: { dim: true },
  shape: (inputs, { dim }) => {
    expectDType("cumsum", inputs, 0, "f32");
    alongDim("cumsum", inputs[0].shape, dim);
    return { shape: inputs[0].shape, dtype: "f32" };
  },
  ref: ([x], [out], { dim }) => {
    const { outer, n, inner } = alongDim("cumsum", x.shape, dim);
    for (let lane = 0; lane < outer * inner; lane++) {
      const start = Math.floor(lane / inner) * n * inner + (lane % inner);
      let sum = 0;
      for (let j = 0; j < n; j++) {
        sum += x.data[start + j * inner];
        out.data[start + j * inner] = sum;
      }
    }
  },
  // Sums of 1, 2, 4 ... neighbours take log2(n) passes, with one rounding each. Hillis and Steele 1986.
  compose: ([x], { dim }) => {
    const { n } = alongDim("cumsum", x.shape, dim);
    let sums = add(x, scalarLike(x, 0));
    for (let step = 1; step < n; step *= 2) {
      sums = add(sums, place(slice(sums, { dim, end: n - step }), { dim, size: n, start: step }));
    }
    return sums;
  },
  vjp: ({ grads: [dy], params: { dim } }) => [flip(cumsum(flip(dy, { dims: [dim] }), { dim }), { dims: [dim] })],
});
