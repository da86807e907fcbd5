import type { Tensor } from "../../engine/tensor.ts";

type Product = (x: Tensor, weight: Tensor) => Tensor;

let product: Product | undefined;

/**
 * Makes the op known that multiplies by integer codes. `packedTensor`, which makes them, does, and
 * so does `enableByteProducts`.
 */
export function knowIntegerProduct(op: Product): void {
  product = op;
}

/**
 * `linearInt8` for a weight that lies packed. Layers, which may meet such weights, call this one: a
 * page without them does not carry the op.
 */
export function integerLinear(x: Tensor, weight: Tensor): Tensor {
  if (!product)
    throw new Error(
      `integerLinear: the weight is ${weight.dtype}; make layers round their inputs by quantizeActivations`,
    );
  return product(x, weight);
}
