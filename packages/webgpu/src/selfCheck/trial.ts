import type { GpuTensor } from "../kernel/kernel.ts";
import type { Dispatch } from "../kernel/shader.ts";

/** The functions of a backend that trials of its device use. */
export interface Trial {
  /** Makes a tensor with these values. It is freed after all trials. */
  place(shape: readonly number[], numbers: Float32Array<ArrayBuffer>): GpuTensor;
  run(runs: readonly Dispatch[]): void;
  read(tensor: GpuTensor): Promise<Uint8Array>;
}
