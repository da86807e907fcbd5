import type { TensorSpec, View } from "../../backends/backend.ts";
import { scalarLike } from "../../creation/create.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { collapse, forEachRow } from "../../layout/broadcast.ts";
import { broadcastShapes, formatShape, type Shape, sameShape, sizeOf } from "../../layout/shape.ts";
import { compare } from "../binary/compare.ts";
import { div } from "../binary/div.ts";
import { mul } from "../binary/mul.ts";
import { where } from "../binary/where.ts";
import { sumTo } from "../shapes/expand.ts";
import { affine } from "../unary/affine.ts";

/** Parameters of `amax` and `amin`. `shape` is the shape of the result; it must broadcast to the shape of x. */
export interface ExtremaParams {
  readonly shape: Shape;
  /**
   * Selects the gradient if the result is NaN. True: the NaN elements of x get equal shares of the result's gradient,
   * and other elements get 0. False: the gradient of all elements is NaN. Default false.
   */
  readonly nansTie?: boolean;
}

function extrema(name: "amax" | "amin", better: (a: number, b: number) => number): Op<1, ExtremaParams> {
  const start = name === "amin" ? Infinity : -Infinity;
  return defineOp<1, ExtremaParams>({
    name,
    arity: 1,
    shape: (inputs, { shape }): TensorSpec => {
      expectDType(name, inputs, 0, "f32");
      const x = inputs[0].shape;
      if (!sameShape(broadcastShapes(name, x, shape), x)) {
        throw new Error(`${name}: ${formatShape(shape)} does not broadcast to ${formatShape(x)}`);
      }
      if (sizeOf(x) === 0 && sizeOf(shape) > 0)
        throw new Error(`${name}: ${formatShape(x)} is empty and has no ${name}`);
      return { shape, dtype: "f32" };
    },
    ref: ([x]: View[], [out]: View[]) => {
      out.data.fill(start);
      forEachRow(collapse(x.shape, [out.shape]), (i, [o], n, [step]) => {
        for (let j = 0; j < n; j++) out.data[o + j * step] = better(out.data[o + j * step], x.data[i + j]);
      });
    },
    ...(name === "amin" && {
      compose: ([x]: readonly Tensor[], params: ExtremaParams) =>
        affine(amax(affine(x, { scale: -1 }), params), { scale: -1 }),
    }),
    saves: { inputs: [0], outputs: [0] },
    vjp: ({ grads: [dy], inputs: [x], outputs: [y], params: { nansTie } }) => {
      const [one, zero] = [scalarLike(x, 1), scalarLike(x, 0)];
      const others = nansTie ? where(compare(x, x, { relation: "ne" }), one, zero) : zero;
      const ties = where(compare(x, y, { relation: "eq" }), one, others);
      return [mul(ties, div(dy, sumTo(ties, y.shape)))];
    },
  });
}

/**
 * Reduces x to `shape`: returns the largest element over the dimensions that `shape` lacks or in which it has size 1.
 * If several elements are the largest, they get equal shares of the gradient.
 */
export const amax: Op<1, ExtremaParams> = extrema("amax", Math.max);

/**
 * Reduces x to `shape`: returns the smallest element over the dimensions that `shape` lacks or in which it has size 1.
 * If several elements are the smallest, they get equal shares of the gradient.
 */
export const amin: Op<1, ExtremaParams> = extrema("amin", Math.min);
