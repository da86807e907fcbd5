import type { Tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";

/**
 * The tensors that the layers of one adapter share. They are made once for each
 * adapter and freed with it.
 */
export interface SharedTensors {
  /**
   * The shared parameters, by key in the file below "base_model.":
   * "vblora_vector_bank". Always f32.
   */
  readonly parameters?: Readonly<Record<string, Parameter>>;
  /** Constants, by key. */
  readonly buffers?: Readonly<Record<string, Tensor>>;
  /** True if files hold the constants. */
  readonly savesBuffers?: boolean;
}
