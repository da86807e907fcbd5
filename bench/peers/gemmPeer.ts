/** A square product n x n: A * B, or A * Bᵀ where `transB`. */
export interface GemmCase {
  n: number;
  transB: boolean;
  a: Float32Array<ArrayBuffer>;
  b: Float32Array<ArrayBuffer>;
}

/** An implementation under test. `prepare` uploads the operands; each call then multiplies and reads the result back. */
export interface GemmPeer {
  name: string;
  prepare: (product: GemmCase) => Promise<() => Promise<Float32Array>>;
}
