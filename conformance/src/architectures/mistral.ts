import type { DrawBase } from "../randomBases.ts";
import { llamaKin } from "./llama.ts";

/** A mistral, with or without a sliding window. */
export const mistral: DrawBase = llamaKin("mistral", (draw) => ({
  config: { sliding_window: draw.pick([null, draw.integer(2, 8)]) },
  headDim: true,
}));
