import type { GpuTensor } from "../kernel/kernel.ts";
import type { Dispatch } from "../kernel/shader.ts";

/** The parts of a backend that tests of its device use. */
export interface Trial {
  /** Makes a tensor with these values, which lives until all tests are over. */
  place(shape: readonly number[], numbers: Float32Array<ArrayBuffer>): GpuTensor;
  run(runs: readonly Dispatch[]): void;
  read(tensor: GpuTensor): Promise<Uint8Array>;
}
