import type { DrawBase } from "../randomBases.ts";
import { llamaKin } from "./llama.ts";

/** An olmo2, with norms after its sub-layers. */
export const olmo2: DrawBase = llamaKin("olmo2", () => ({
  config: {},
  headDim: false,
  inTable: false,
  norms: ["post_attention_layernorm", "post_feedforward_layernorm", "norm"],
}));
