import type { TensorSpec } from "../../backends/backend.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { scope } from "../../engine/scope.ts";
import { formatShape, type Shape } from "../../layout/shape.ts";
import { alongDim, withSize } from "../shared/alongDim.ts";
import { groupsOf } from "../shared/groupsOf.ts";
import { slice } from "./slice.ts";

/** Returns where each piece starts along the dimension: for each size, the sum of the sizes before it. */
function starts(sizes: readonly number[]): number[] {
  let at = 0;
  return sizes.map((size) => {
    const start = at;
    at += size;
    return start;
  });
}

function catShape(inputs: readonly TensorSpec[], dim: number): Shape {
  const { dim: d } = alongDim("cat", inputs[0].shape, dim);
  let size = 0;
  for (const [i, { shape }] of inputs.entries()) {
    expectDType("cat", inputs, i, inputs[0].dtype);
    if (shape.length !== inputs[0].shape.length || shape.some((s, j) => j !== d && s !== inputs[0].shape[j])) {
      throw new Error(
        `cat: input ${i} ${formatShape(shape)} must equal ${formatShape(inputs[0].shape)} in all dimensions but ${d}`,
      );
    }
    size += shape[d];
  }
  return withSize(inputs[0].shape, d, size);
}

/** Concatenates tensors along `dim`. All must have the same dtype, which can be any. */
export const cat: Op<number, { dim: number }> = defineOp({
  name: "cat",
  arity: [1, Infinity],
  shape: (inputs, { dim }) => ({ shape: catShape(inputs, dim), dtype: inputs[0].dtype }),
  inGroups: (inputs, params, most) =>
    scope(() => cat(...groupsOf(inputs, 1, most).map((group) => cat(...group, params)), params)),
  ref: (inputs, [out], { dim }) => {
    const { dim: d, outer, n, inner } = alongDim("cat", out.shape, dim);
    const at = starts(inputs.map(({ shape }) => shape[d]));
    for (const [k, x] of inputs.entries()) {
      const run = x.shape[d] * inner;
      for (let i = 0; i < outer; i++) {
        for (let j = 0; j < run; j++) out.data[(i * n + at[k]) * inner + j] = x.data[i * run + j];
      }
    }
  },
  vjp: ({ grads: [dy], inputSpecs, params: { dim } }) => {
    const { dim: d } = alongDim("cat", inputSpecs[0].shape, dim);
    const parts: unknown = split(dy, { sizes: inputSpecs.map(({ shape }) => shape[d]), dim: d });
    return (Array.isArray(parts) ? parts : [parts]) as ReturnType<typeof split>;
  },
});

/**
 * Splits x (any dtype) along `dim` into pieces of the given sizes, which must sum to the size of that dimension.
 * Returns a list of tensors, or one tensor if there is only one size.
 */
export const split: Op<1, { sizes: readonly number[]; dim: number }, number> = defineOp({
  name: "split",
  arity: 1,
  shape: ([x], { sizes, dim }) => {
    const { dim: d, n } = alongDim("split", x.shape, dim);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (total !== n || sizes.some((size) => !Number.isInteger(size) || size < 0)) {
      throw new Error(
        `split: sizes ${formatShape(sizes)} add up to ${total}, but dim ${d} of ${formatShape(x.shape)} is ${n}`,
      );
    }
    return sizes.map((size) => ({ shape: withSize(x.shape, d, size), dtype: x.dtype }));
  },
  ref: ([x], outputs, { sizes, dim }) => {
    const { outer, n, inner } = alongDim("split", x.shape, dim);
    const at = starts(sizes);
    for (const [k, out] of outputs.entries()) {
      const run = sizes[k] * inner;
      for (let i = 0; i < outer; i++) {
        for (let j = 0; j < run; j++) out.data[i * run + j] = x.data[(i * n + at[k]) * inner + j];
      }
    }
  },
  compose: ([x], { sizes, dim }) => starts(sizes).map((start, i) => slice(x, { dim, start, end: start + sizes[i] })),
  vjp: ({ grads, params: { dim } }) => [cat(...grads, { dim })],
});
