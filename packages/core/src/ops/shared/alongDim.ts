import { normalizeDim, type Shape, sizeOf } from "../../layout/shape.ts";

/**
 * A contiguous shape viewed as [outer, n, inner]: `n` is the size of one dimension, `outer` and `inner` are the
 * products of the sizes before and after it.
 */
export interface AlongDim {
  readonly dim: number;
  readonly outer: number;
  readonly n: number;
  readonly inner: number;
}

/** Returns the view of `shape` as [outer, n, inner] around dimension `dim`, which may be negative. */
export function alongDim(op: string, shape: Shape, dim: number): AlongDim {
  const d = normalizeDim(op, dim, shape.length);
  return { dim: d, outer: sizeOf(shape.slice(0, d)), n: shape[d], inner: sizeOf(shape.slice(d + 1)) };
}

/** Returns `shape` with the size of dimension `dim` replaced. */
export function withSize(shape: Shape, dim: number, size: number): number[] {
  return shape.map((s, i) => (i === dim ? size : s));
}
