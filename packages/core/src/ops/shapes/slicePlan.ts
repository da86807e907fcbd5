import type { TensorSpec } from "../../backends/backend.ts";
import { type AlongDim, alongDim } from "../shared/alongDim.ts";
import type { SliceParams } from "./slice.ts";

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
