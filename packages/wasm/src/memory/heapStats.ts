/** Sizes of a heap, in bytes. */
export interface HeapStats {
  /** By blocks in use, in whole cache lines. */
  used: number;
  /** Between them and behind them. */
  free: number;
  /** The largest free stretch. */
  largestFree: number;
  /** The whole memory, with the kernels' own data. */
  length: number;
}
