import type { Tensor } from "../../engine/tensor.ts";

type Product = (x: Tensor, weight: Tensor) => Tensor;

let product: Product | undefined;

/**
 * Makes the op known that multiplies by integer codes. `packedTensor`, which makes them, does, and
 * so does `enableInt8Activations`.
 */
export function setInt8Matmul(op: Product): void {
  product = op;
}

/**
 * `linearInt8` for a weight that lies packed. Layers, which may meet such weights, call this one: a
 * page without them does not carry the op.
 */
export function linearWithInt8Activations(x: Tensor, weight: Tensor): Tensor {
  if (!product)
    throw new Error(
      `linearWithInt8Activations: the weight is ${weight.dtype}; make layers round their inputs by useInt8Activations`,
    );
  return product(x, weight);
}
