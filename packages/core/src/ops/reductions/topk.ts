import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { formatShape } from "../../layout/shape.ts";
import { scatterAdd } from "../shapes/gather.ts";
import { alongDim, withSize } from "../shared/alongDim.ts";
import { composeTopk } from "./topkComposed.ts";

/** Parameters of `topk`. */
export interface TopkParams {
  readonly k: number;
  readonly dim: number;
}

/**
 * Returns the k largest elements along `dim`, largest first, and their i32 positions. NaN counts as larger than all
 * numbers.
 */
export const topk: Op<1, TopkParams, 2> = defineOp({
  name: "topk",
  arity: 1,
  shape: (inputs, { k, dim }) => {
    expectDType("topk", inputs, 0, "f32");
    const { dim: d, n } = alongDim("topk", inputs[0].shape, dim);
    if (!Number.isInteger(k) || k < 0 || k > n) {
      throw new Error(`topk: k ${k} is out of range for dim ${d} of ${formatShape(inputs[0].shape)}; use 0..${n}`);
    }
    const shape = withSize(inputs[0].shape, d, k);
    return [
      { shape, dtype: "f32" },
      { shape, dtype: "i32" },
    ];
  },
  ref: ([x], [values, positions], { k, dim }) => {
    const { outer, n, inner } = alongDim("topk", x.shape, dim);
    const order = new Int32Array(n);
    for (let lane = 0; lane < outer * inner; lane++) {
      const from = Math.floor(lane / inner) * n * inner + (lane % inner);
      const to = Math.floor(lane / inner) * k * inner + (lane % inner);
      const nan = (j: number) => Number(Number.isNaN(x.data[from + j * inner]));
      const rank = (j: number) => (nan(j) ? Infinity : x.data[from + j * inner]);
      for (let j = 0; j < n; j++) order[j] = j;
      order.sort((a, b) => (rank(a) === rank(b) ? nan(b) - nan(a) : rank(b) - rank(a)));
      for (let j = 0; j < k; j++) {
        values.data[to + j * inner] = x.data[from + order[j] * inner];
        positions.data[to + j * inner] = order[j];
      }
    }
  },
  compose: ([x], { k, dim }) => composeTopk(x, k, dim),
  saves: { outputs: [1] },
  vjp: ({ grads: [dy], outputs: [, positions], inputSpecs: [x], params: { dim } }) => [
    scatterAdd(dy, positions, { dim, shape: x.shape }),
  ],
});
