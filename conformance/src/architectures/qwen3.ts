import type { DrawBase } from "../randomBases.ts";
import { llamaKin } from "./llama.ts";

/** A qwen3, with or without biases. */
export const qwen3: DrawBase = llamaKin("qwen3", (draw) => ({
  config: { attention_bias: draw.chance(0.3) },
  headDim: "always",
}));
