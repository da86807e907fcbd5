// Apart from heap.ts, whose types need the types of WebAssembly: users of this interface may have none.

/** Sizes of a heap, in bytes. */
export interface HeapStats {
  /** Bytes of blocks in use, in whole cache lines. */
  used: number;
  /** Free bytes between and after the blocks in use. */
  free: number;
  /** The largest contiguous free range. */
  largestFree: number;
  /** The whole memory, including the kernels' static data. */
  length: number;
}
