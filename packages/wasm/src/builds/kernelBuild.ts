/** One compilation of the kernels, as `pnpm build:kernels` writes it. */
export interface KernelBuild {
  /**
   * The WebAssembly module: base64 of its bytes in raw DEFLATE. A page downloads a quarter less of
   * it than of plain base64.
   */
  readonly deflated: string;
  /**
   * The offset of the byte that says which memory the module imports: 1 a plain one, 3 a shared
   * one.
   */
  readonly memoryFlag: number;
  /** The first address behind the module's static data; 0 where it has none. */
  readonly heapBase: number;
}

/** The builds by name: plain SIMD, and relaxed SIMD, which has fused multiply-add. */
export type BuildName = "simd" | "relaxed";

/** The kernels of a build as their caller wants them. */
export interface BuildMode {
  /** Products are batch-invariant, and there are `InvariantKernels`. */
  readonly batchInvariant: boolean;
  /** The module imports a shared memory, not a plain one. */
  readonly shared: boolean;
}
