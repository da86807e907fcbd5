import type { Tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";

/** Tensors that all layers of one adapter share. They are created with the adapter and freed with it. */
export interface SharedTensors {
  /**
   * The trained tensors, always f32. The key is the tensor's name in the file after "base_model.":
   * "vblora_vector_bank".
   */
  readonly parameters?: Readonly<Record<string, Parameter>>;
  /** Tensors that are not trained, by name. */
  readonly buffers?: Readonly<Record<string, Tensor>>;
  /** True if adapter files contain `buffers`. */
  readonly savesBuffers?: boolean;
}
