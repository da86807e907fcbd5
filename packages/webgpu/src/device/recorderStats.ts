/** Counts of what was asked of the device. */
export interface RecorderStats {
  /** Runs of kernels. */
  dispatches: number;
  /** Bytes of the tensors that runs were given: those that they move if each reads one once. */
  bytes: number;
  /** Batches of commands. */
  submits: number;
}
