import { normalizeDim, type Shape, sizeOf } from "../../layout/shape.ts";

/** A contiguous shape viewed as [outer, n, inner], with `n` the size of one dimension. */
export interface AlongDim {
  readonly dim: number;
  readonly outer: number;
  readonly n: number;
  readonly inner: number;
}

/** Splits `shape` around dimension `dim`, which may count from the end. */
export function alongDim(op: string, shape: Shape, dim: number): AlongDim {
  const d = normalizeDim(op, dim, shape.length);
  return { dim: d, outer: sizeOf(shape.slice(0, d)), n: shape[d], inner: sizeOf(shape.slice(d + 1)) };
}

/** Returns `shape` with another size in one dimension. */
export function withSize(shape: Shape, dim: number, size: number): number[] {
  return shape.map((s, i) => (i === dim ? size : s));
}
