import type { DrawBase } from "../randomBases.ts";
import { llamaKin } from "./llama.ts";

const norms = ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "norm"];

/** A gemma2, with sliding windows on every other layer. */
export const gemma2: DrawBase = llamaKin("gemma2", (draw) => ({
  config: { sliding_window: draw.integer(2, 8), query_pre_attn_scalar: draw.integer(2, 20) },
  headDim: "always",
  norms,
}));

/** A gemma3_text, with two rotary embeddings. */
export const gemma3Text: DrawBase = llamaKin("gemma3_text", (draw) => ({
  config: {
    ...{ sliding_window: draw.integer(2, 8), sliding_window_pattern: draw.integer(1, 3) },
    query_pre_attn_scalar: draw.integer(2, 20),
  },
  headDim: "always",
  scaledEmbedding: true,
  norms,
}));
