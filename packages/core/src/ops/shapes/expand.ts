import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { collapse, forEachRow } from "../../layout/broadcast.ts";
import { broadcastShapes, checkShape, formatShape, type Shape, sameShape } from "../../layout/shape.ts";

/** Repeats x (f32 or i32) to a larger shape by the broadcasting rule. */
export const expand: Op<1, { shape: Shape }> = defineOp({
  name: "expand",
  arity: 1,
  options: { shape: true },
  shape: (inputs, { shape }) => {
    expectDType("expand", inputs, 0, "f32", "i32");
    checkShape("expand", shape);
    if (!sameShape(broadcastShapes("expand", inputs[0].shape, shape), shape)) {
      throw new Error(`expand: ${formatShape(inputs[0].shape)} does not broadcast to ${formatShape(shape)}`);
    }
    return { shape, dtype: inputs[0].dtype };
  },
  ref: ([x], [out]) => {
    forEachRow(collapse(out.shape, [x.shape]), (o, [i], n, [step]) => {
      for (let j = 0; j < n; j++) out.data[o + j] = x.data[i + j * step];
    });
  },
  vjp: ({ grads: [dy], inputSpecs: [x] }) => [sumTo(dy, x.shape)],
});

/**
 * Sums x to the shape `shape`, which must broadcast to x's shape: sums over the dimensions that broadcasting would
 * repeat. Accumulates in f64.
 */
export const sumToShape: Op<1, { shape: Shape }> = defineOp({
  name: "sumToShape",
  arity: 1,
  options: { shape: true },
  shape: (inputs, { shape }) => {
    expectDType("sumToShape", inputs, 0, "f32");
    const x = inputs[0].shape;
    if (!sameShape(broadcastShapes("sumToShape", x, shape), x)) {
      throw new Error(`sumToShape: ${formatShape(shape)} does not broadcast to ${formatShape(x)}`);
    }
    return { shape, dtype: "f32" };
  },
  ref: ([x], [out]) => {
    const sums = new Float64Array(out.size);
    forEachRow(collapse(x.shape, [out.shape]), (i, [o], n, [step]) => {
      for (let j = 0; j < n; j++) sums[o + j * step] += x.data[i + j];
    });
    out.data.set(sums);
  },
  vjp: ({ grads: [dy], inputSpecs: [x] }) => [expand(dy, { shape: x.shape })],
});

/**
 * Returns the gradient of broadcasting a tensor from `shape` to x's shape, where x is the gradient of the result: sums
 * x over the repeated dimensions. Returns x itself if its shape is `shape` already.
 */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : sumToShape(x, { shape });
}
