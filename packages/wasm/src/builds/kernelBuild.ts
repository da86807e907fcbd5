/** One compilation of the kernels, as `pnpm build:kernels` writes it. */
export interface KernelBuild {
  /**
   * The WebAssembly module, compressed with raw DEFLATE and encoded in base64. The download is a quarter smaller than
   * with plain base64.
   */
  readonly deflated: string;
  /**
   * Offset, in the decompressed module, of the byte that selects the kind of memory to import. The byte is 1 for a
   * plain memory, 3 for a shared one.
   */
  readonly memoryFlag: number;
  /** The first address after the module's static data; 0 for a module without static data. */
  readonly heapBase: number;
}

/** The builds by name: plain SIMD, and relaxed SIMD, which has fused multiply-add. */
export type BuildName = "simd" | "relaxed";

/** The mode of a build: whether its matrix products are batch-invariant, and which kind of memory it imports. */
export interface BuildMode {
  /**
   * True if matrix products are batch-invariant (rows do not affect each other's results) and the module exports
   * `InvariantKernels`.
   */
  readonly batchInvariant: boolean;
  /** True if the module imports a shared memory, false for a plain one. */
  readonly shared: boolean;
}
