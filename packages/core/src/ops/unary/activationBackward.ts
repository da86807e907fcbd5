import type { View } from "../../backends/backend.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape, sameShape } from "../../layout/shape.ts";

/**
 * Makes the gradient op of an activation: (dy, x) to dy * slope(x), in one pass. `compose` computes the same from other
 * ops, so that the gradient can be differentiated again.
 */
export function activationBackward(
  name: string,
  slope: (x: number) => number,
  compose: (dy: Tensor, x: Tensor) => Tensor,
): Op<2> {
  return defineOp<2>({
    name,
    arity: 2,
    shape: (inputs) => {
      expectDType(name, inputs, 0, "f32");
      expectDType(name, inputs, 1, "f32");
      const [dy, x] = inputs;
      if (!sameShape(dy.shape, x.shape)) {
        throw new Error(`${name}: the gradient ${formatShape(dy.shape)} must be ${formatShape(x.shape)}`);
      }
      return { shape: x.shape, dtype: "f32" };
    },
    ref: ([dy, x]: View[], [out]: View[]) => {
      for (let i = 0; i < out.size; i++) out.data[i] = dy.data[i] * slope(x.data[i]);
    },
    compose: ([dy, x]) => compose(dy, x),
  });
}
