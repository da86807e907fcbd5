import type { TensorSpec } from "../../backends/backend.ts";
import type { Traversal } from "../../layout/broadcast.ts";
import { formatShape, normalizeDim, type Shape, stridesOf } from "../../layout/shape.ts";
import { type AlongDim, alongDim } from "../shared/alongDim.ts";
import type { SliceParams } from "./slice.ts";

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

/**
 * The elements that a slice takes from a shape viewed as [outer, n, inner]: `count` of the `n` positions, every
 * `step`-th from `start` on.
 */
export interface SlicePlan extends AlongDim {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/**
 * Resolves the options of `slice` for a shape: negative positions count from the end, and positions beyond the
 * dimension are clipped.
 */
export function slicePlan({ shape }: TensorSpec, { dim = 0, start = 0, end, step = 1 }: SliceParams): SlicePlan {
  const along = alongDim("slice", shape, dim);
  const { n } = along;
  if (!Number.isInteger(step) || step < 1) throw new Error(`slice: step ${step} must be an integer of at least 1`);
  const position = (p: number) => {
    if (!Number.isInteger(p)) throw new Error(`slice: position ${p} is not an integer`);
    return Math.min(Math.max(p < 0 ? p + n : p, 0), n);
  };
  const from = position(start);
  return { ...along, start: from, step, count: Math.max(0, Math.ceil((position(end ?? n) - from) / step)) };
}
