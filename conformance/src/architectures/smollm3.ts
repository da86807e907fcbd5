import type { DrawBase } from "../randomBases.ts";
import { llamaKin } from "./llama.ts";

/** A smollm3, with some layers without rotary embedding. */
export const smollm3: DrawBase = llamaKin("smollm3", (draw) => ({
  config: { no_rope_layer_interval: draw.integer(1, 3), attention_bias: draw.chance(0.3) },
  headDim: false,
  inTable: false,
}));
