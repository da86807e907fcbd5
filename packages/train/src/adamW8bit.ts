import type { Tensor } from "@lowrank/core";
import { type AdamOptions, AdamW8bit } from "@lowrank/nn";

/** Makes AdamW in 8 bits. A file of its own, loaded when used. */
export function adamW8bit(parameters: Iterable<Tensor>, settings: AdamOptions): AdamW8bit {
  return new AdamW8bit(parameters, settings);
}
