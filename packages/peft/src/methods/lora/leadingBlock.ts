import { slice, type Tensor } from "@lowrank/core";

/** The first entries of each dimension, as many as `sizes` says. */
export function leadingBlock(t: Tensor, sizes: readonly number[]): Tensor {
  return sizes.reduce((part, end, dim) => (part.shape[dim] === end ? part : slice(part, { dim, start: 0, end })), t);
}
