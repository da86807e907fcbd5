import type { DrawBase } from "../randomBases.ts";
import { llamaKin } from "./llama.ts";

/** A stablelm: LayerNorms with biases, and rotary embedding on a part of each head. */
export const stablelm: DrawBase = llamaKin("stablelm", (draw, _layers, headDim) => {
  const parallel = draw.chance(0.3);
  return {
    config: {
      layer_norm_eps: draw.pick([1e-6, 1e-5]),
      partial_rotary_factor: (2 * draw.integer(1, headDim / 2)) / headDim,
      use_qkv_bias: draw.chance(0.3),
      use_parallel_residual: parallel,
      ...{ hidden_dropout: 0, attention_dropout: 0 },
    },
    headDim: false,
    norms: ["input_layernorm", ...(parallel ? [] : ["post_attention_layernorm"]), "norm"],
  };
});
