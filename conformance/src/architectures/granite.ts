import type { DrawBase } from "../randomBases.ts";
import { llamaKin } from "./llama.ts";

/** A granite, with its multipliers. */
export const granite: DrawBase = llamaKin("granite", (draw) => ({
  config: {
    attention_multiplier: draw.pick([0.2, 0.5]),
    embedding_multiplier: draw.pick([1, 6]),
    residual_multiplier: draw.pick([1, 0.4]),
    logits_scaling: draw.pick([1, 3]),
  },
  headDim: false,
  inTable: false,
  classifies: false,
}));
