/** Counts of the work submitted to the device. */
export interface RecorderStats {
  /** Dispatches of kernels. */
  dispatches: number;
  /** Total bytes of the tensors bound to dispatches, which is the memory traffic if each tensor is read once. */
  bytes: number;
  /** Submitted batches of commands. */
  submits: number;
}
