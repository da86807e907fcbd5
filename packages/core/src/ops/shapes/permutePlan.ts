import type { TensorSpec } from "../../backends/backend.ts";
import type { Traversal } from "../../layout/broadcast.ts";
import { formatShape, normalizeDim, type Shape, stridesOf } from "../../layout/shape.ts";

/**
 * Returns `dims` with negative dimensions counted from the front. Throws unless every dimension is listed exactly once.
 */
export function permutedDims({ shape }: TensorSpec, dims: Shape): number[] {
  const resolved = dims.map((dim) => normalizeDim("permute", dim, shape.length));
  if (new Set(resolved).size !== shape.length) {
    throw new Error(`permute: dims ${formatShape(dims)} must name each dimension of ${formatShape(shape)} once`);
  }
  return resolved;
}

/**
 * Returns the sizes and strides to read x in the order of the permuted output. Dimensions that stay adjacent are
 * merged.
 */
export function traversePermuted(x: TensorSpec, dims: readonly number[]): Traversal {
  const from = stridesOf(x.shape);
  const sizes: number[] = [];
  const strides: number[] = [];
  for (const d of dims) {
    if (x.shape[d] === 1) continue;
    const last = sizes.length - 1;
    if (strides[last] === from[d] * x.shape[d]) {
      sizes[last] *= x.shape[d];
      strides[last] = from[d];
    } else {
      sizes.push(x.shape[d]);
      strides.push(from[d]);
    }
  }
  return sizes.length > 0 ? { sizes, strides: [strides] } : { sizes: [1], strides: [[1]] };
}
