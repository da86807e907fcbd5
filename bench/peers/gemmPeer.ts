/**
 * Products [batch, m, k] * [batch, k, n], where `transB` with b as [batch, n, k]; a batch
 * of 1 is of plain matrices.
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
 * An implementation under test. `prepare` uploads the operands; each call then multiplies
 * and reads the result back.
 */
export interface GemmPeer {
  name: string;
  prepare: (product: GemmCase) => Promise<() => Promise<Float32Array>>;
}

/** The shapes of a, b and the product: of two dimensions where the batch is 1. */
export function gemmShapes({ batch, m, n, k, transB }: Omit<GemmCase, "a" | "b">): {
  a: number[];
  b: number[];
  c: number[];
} {
  const lead = batch > 1 ? [batch] : [];
  return { a: [...lead, m, k], b: [...lead, ...(transB ? [n, k] : [k, n])], c: [...lead, m, n] };
}
