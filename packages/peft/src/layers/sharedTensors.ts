import type { Tensor } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";

/** What the layers of one adapter share, made once for each adapter and freed with it. */
export interface SharedTensors {
  /** What trains, by key in the file below "base_model.": "vblora_vector_bank". Always f32. */
  readonly parameters?: Readonly<Record<string, Parameter>>;
  /** Constants, by key. */
  readonly buffers?: Readonly<Record<string, Tensor>>;
  /** Whether files hold the constants. */
  readonly savesBuffers?: boolean;
}
