import type { Tensor } from "../../engine/tensor.ts";

type Product = (x: Tensor, weight: Tensor) => Tensor;

let product: Product | undefined;

/**
 * Registers the op that multiplies activations, rounded to 8 bits, by packed weights. `packedTensor` and
 * `enableInt8Activations` call this function.
 */
export function setInt8Matmul(op: Product): void {
  product = op;
}

/**
 * Calls `linearInt8` for a packed weight. Layers call this function instead of the op, so that web pages without packed
 * weights do not bundle the op. Throws if the op was not registered.
 */
export function linearWithInt8Activations(x: Tensor, weight: Tensor): Tensor {
  if (!product)
    throw new Error(
      `linearWithInt8Activations: int8 activations are not enabled for the ${weight.dtype} weight; call useInt8Activations`,
    );
  return product(x, weight);
}
