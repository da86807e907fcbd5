// Apart from recorder.ts, whose types need the types of WebGPU: users of this interface may have none.

/** Counts of the work submitted to the device. */
export interface RecorderStats {
  /** Number of kernel dispatches. */
  dispatches: number;
  /**
   * Total bytes of the tensors that the dispatches bound: the memory traffic if each dispatch reads its tensors once.
   */
  bytes: number;
  /** Number of command batches that were submitted. */
  submits: number;
}
