import type { Tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";

/** Tensors that all layers of one adapter share. They are created once for each adapter and freed with it. */
export interface SharedTensors {
  /** The shared parameters, by key in the file after "base_model.": "vblora_vector_bank". Always f32. */
  readonly parameters?: Readonly<Record<string, Parameter>>;
  /** The shared constants, by key. */
  readonly buffers?: Readonly<Record<string, Tensor>>;
  /** True if adapter files contain the constants. */
  readonly savesBuffers?: boolean;
}
