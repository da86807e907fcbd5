import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape, sameShape } from "../../layout/shape.ts";
import { add } from "../binary/add.ts";
import { affine } from "../unary/affine.ts";

/** Overwrites x with `source`, of the same shape and dtype, as PyTorch's copy_ does. */
export const copyInto: Op<2, void, 0> = defineOp({
  name: "copyInto",
  arity: 2,
  writes: (input) => input === 0,
  shape: ([x, source]) => {
    if (x.dtype !== source.dtype || !sameShape(x.shape, source.shape)) {
      throw new Error(
        `copyInto: ${source.dtype} ${formatShape(source.shape)} does not fit ${x.dtype} ${formatShape(x.shape)}`,
      );
    }
    return [];
  },
  ref: ([x, source]) => x.data.set(source.data),
});

/**
 * Copies the values of each pair's second tensor into its first. Returns an empty list, as the `compose` functions of
 * in-place ops must.
 */
export function overwrite(...pairs: readonly (readonly [Tensor, Tensor])[]): [] {
  for (const [x, source] of pairs) copyInto(x, source);
  return [];
}

/** Computes x += alpha * y in place; alpha is 1 by default. */
export const addInto: Op<2, { alpha?: number }, 0> = defineOp({
  name: "addInto",
  arity: 2,
  options: { alpha: true },
  writes: (input) => input === 0,
  shape: (inputs) => {
    expectDType("addInto", inputs, 0, "f32");
    expectDType("addInto", inputs, 1, "f32");
    if (!sameShape(inputs[0].shape, inputs[1].shape)) {
      throw new Error(`addInto: ${formatShape(inputs[1].shape)} does not fit ${formatShape(inputs[0].shape)}`);
    }
    return [];
  },
  ref: ([x, y], _outputs, { alpha = 1 }) => {
    for (let i = 0; i < x.size; i++) x.data[i] += alpha * y.data[i];
  },
  compose: ([x, y], { alpha = 1 }) => overwrite([x, add(x, affine(y, { scale: alpha }))]),
});

/** Computes x *= factor in place. */
export const scaleInPlace: Op<1, { factor: number }, 0> = defineOp({
  name: "scaleInPlace",
  arity: 1,
  options: { factor: true },
  writes: (input) => input === 0,
  shape: (inputs) => {
    expectDType("scaleInPlace", inputs, 0, "f32");
    return [];
  },
  ref: ([x], _outputs, { factor }) => {
    for (let i = 0; i < x.size; i++) x.data[i] *= factor;
  },
  compose: ([x], { factor }) => overwrite([x, affine(x, { scale: factor })]),
});
