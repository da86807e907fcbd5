/**
 * A product [batch, m, k] * [batch, k, n]; with `transB`, b is [batch, n, k]. With `batch` 1, the operands are plain
 * matrices.
 */
export interface GemmCase {
  batch: number;
  m: number;
  n: number;
  k: number;
  transB: boolean;
  a: Float32Array<ArrayBuffer>;
  b: Float32Array<ArrayBuffer>;
}

/**
 * An implementation to measure. `prepare` uploads the operands. Each call of its result multiplies and reads the
 * product back.
 */
export interface GemmPeer {
  name: string;
  prepare: (product: GemmCase) => Promise<() => Promise<Float32Array>>;
}

/** Returns the shapes of a, b and the product: two-dimensional if the batch is 1. */
export function gemmShapes({ batch, m, n, k, transB }: Omit<GemmCase, "a" | "b">): {
  a: number[];
  b: number[];
  c: number[];
} {
  const lead = batch > 1 ? [batch] : [];
  return { a: [...lead, m, k], b: [...lead, ...(transB ? [n, k] : [k, n])], c: [...lead, m, n] };
}
