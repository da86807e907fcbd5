import { slice, type Tensor } from "@lowrank/core";

/** Returns the block of a tensor with the first `sizes[d]` entries along each dimension d. */
export function leadingBlock(t: Tensor, sizes: readonly number[]): Tensor {
  return sizes.reduce((part, end, dim) => (part.shape[dim] === end ? part : slice(part, { dim, start: 0, end })), t);
}
