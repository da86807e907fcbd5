import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { formatShape } from "../../layout/shape.ts";
import { alongDim, withSize } from "../shared/alongDim.ts";
import { checkIndex, indexError } from "../shared/indexBounds.ts";
import { inRange } from "../shared/inRange.ts";
import { expand } from "./expand.ts";
import { scatterAdd } from "./gather.ts";
import { reshape } from "./reshape.ts";

/** Returns the entries of x along `dim` at the positions in a 1-D i32 index, in that order. Supports every dtype. */
export const indexSelect: Op<2, { dim: number }> = defineOp({
  name: "indexSelect",
  arity: 2,
  options: { dim: true },
  shape: (inputs, { dim }) => {
    const [x, index] = inputs;
    expectDType("indexSelect", inputs, 1, "i32");
    const { dim: d } = alongDim("indexSelect", x.shape, dim);
    if (index.shape.length !== 1) throw new Error(`indexSelect: the index ${formatShape(index.shape)} must be 1-D`);
    return { shape: withSize(x.shape, d, index.shape[0]), dtype: x.dtype };
  },
  ref: ([x, index], [out], { dim }) => {
    const { outer, n, inner } = alongDim("indexSelect", x.shape, dim);
    for (let i = 0; i < outer; i++) {
      for (let j = 0; j < index.size; j++) {
        const from = (i * n + checkIndex("indexSelect", index.data[j], n)) * inner;
        for (let l = 0; l < inner; l++) out.data[(i * index.size + j) * inner + l] = x.data[from + l];
      }
    }
  },
  fault: (_at, index, [x], { dim }) => indexError("indexSelect", x.shape.at(dim) as number, index),
  saves: { inputs: [1] },
  vjp: ({ grads: [dy], inputs: [, index], inputSpecs: [x], params: { dim } }) => {
    const { n: size } = alongDim("indexSelect", x.shape, dim);
    return [indexAdd(dy, index, { dim, size }), null];
  },
});

/**
 * The gradient of `indexSelect`. Starts from zeros with size `size` along `dim`, and adds entry i of x at position
 * index[i].
 */
export const indexAdd: Op<2, { dim: number; size: number }> = defineOp({
  name: "indexAdd",
  arity: 2,
  shape: (inputs, { dim, size }) => {
    expectDType("indexAdd", inputs, 0, "f32");
    expectDType("indexAdd", inputs, 1, "i32");
    const [x, index] = inputs;
    const { dim: d, n } = alongDim("indexAdd", x.shape, dim);
    if (index.shape.length !== 1 || index.shape[0] !== n) {
      throw new Error(`indexAdd: the index ${formatShape(index.shape)} must be [${n}], one for each entry of dim ${d}`);
    }
    return { shape: withSize(x.shape, d, size), dtype: "f32" };
  },
  ref: ([x, index], [out], { dim, size }) => {
    const { outer, n, inner } = alongDim("indexAdd", x.shape, dim);
    const sums = new Float64Array(out.size);
    for (let i = 0; i < outer; i++) {
      for (let j = 0; j < n; j++) {
        const to = (i * size + checkIndex("indexAdd", index.data[j], size)) * inner;
        for (let l = 0; l < inner; l++) sums[to + l] += x.data[(i * n + j) * inner + l];
      }
    }
    out.data.set(sums);
  },
  compose: ([x, index], { dim, size }) => {
    const { dim: d, n } = alongDim("indexAdd", x.shape, dim);
    const error = (value: number) => indexError("indexAdd", size, value);
    const valid = inRange(index, { low: 0, high: size - 1, error });
    const lane = reshape(valid, { shape: x.shape.map((_, i) => (i === d ? n : 1)) });
    return scatterAdd(x, expand(lane, { shape: x.shape }), { dim: d, shape: withSize(x.shape, d, size) });
  },
  fault: (_at, index, _inputs, { size }) => indexError("indexAdd", size, index),
  saves: { inputs: [1] },
  vjp: ({ grads: [dy], inputs: [, index], params: { dim } }) => [indexSelect(dy, index, { dim }), null],
});
