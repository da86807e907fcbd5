import { add, matmul, slice, type Tensor } from "@lowrank/core";
import type { DenseLayer } from "../../layers/tunerLayer.ts";

/** Returns the layer with `map` applied to its weight. `map` receives and returns the weight as [out, in]. */
export function mapWeight({ weight, bias, fanInFanOut }: DenseLayer, map: (weight: Tensor) => Tensor): DenseLayer {
  const turn = (t: Tensor) => (fanInFanOut ? t.transpose(0, 1) : t);
  return { weight: turn(map(turn(weight))), bias, fanInFanOut };
}

/** Returns the layer with B A added to its weight: A [r, in], B [out, r]. */
export function addProduct({ weight, bias, fanInFanOut }: DenseLayer, a: Tensor, b: Tensor): DenseLayer {
  const product = fanInFanOut ? matmul(a, b, { transposeA: true, transposeB: true }) : matmul(b, a);
  return { weight: add(weight, product), bias, fanInFanOut };
}

/** Returns the block of a tensor with the first `sizes[d]` entries along each dimension d. */
export function leadingBlock(t: Tensor, sizes: readonly number[]): Tensor {
  return sizes.reduce((part, end, dim) => (part.shape[dim] === end ? part : slice(part, { dim, start: 0, end })), t);
}
