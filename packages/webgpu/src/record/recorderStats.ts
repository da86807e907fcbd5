/** Counts of what was asked of the device. */
export interface RecorderStats {
  /** Runs of kernels. */
  dispatches: number;
  /** Batches of commands. */
  submits: number;
}
