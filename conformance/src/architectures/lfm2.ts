import type { DrawBase } from "../randomBases.ts";
import { tokens } from "./tokens.ts";

/** An lfm2 with at least one attention block and one convolution block. */
export const lfm2: DrawBase = (draw) => {
  const keyHeads = draw.integer(1, 2);
  const heads = keyHeads * draw.integer(1, 3);
  const headDim = 2 * draw.integer(2, 5);
  const layers = draw.integer(2, 4);
  const attending = draw.integer(0, layers - 1);
  const [hidden, keys] = [heads * headDim, keyHeads * headDim];
  const inner = draw.integer(9, 56);
  const vocab = draw.integer(50, 70);
  const tied = draw.chance(0.5);
  return {
    config: {
      model_type: "lfm2",
      ...tokens,
      vocab_size: vocab,
      hidden_size: hidden,
      intermediate_size: inner,
      block_auto_adjust_ff_dim: false,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: keyHeads,
      max_position_embeddings: 64,
      tie_word_embeddings: tied,
      norm_eps: draw.pick([1e-6, 1e-5]),
      rope_theta: draw.pick([10000, 500]),
      conv_bias: draw.chance(0.3),
      conv_L_cache: draw.integer(1, 5),
      layer_types: Array.from({ length: layers }, (_, layer) => (layer === attending ? "full_attention" : "conv")),
    },
    task: "CAUSAL_LM",
    kind: "decoder",
    classes: vocab,
    linears: {
      "self_attn.q_proj": [hidden, hidden],
      "self_attn.k_proj": [hidden, keys],
      "self_attn.v_proj": [hidden, keys],
      "self_attn.out_proj": [hidden, hidden],
      "conv.in_proj": [hidden, 3 * hidden],
      "conv.out_proj": [hidden, hidden],
      "feed_forward.w1": [hidden, inner],
      "feed_forward.w3": [hidden, inner],
      "feed_forward.w2": [inner, hidden],
    },
    conv1d: false,
    embedding: "embed_tokens",
    tied,
    norms: ["operator_norm", "ffn_norm", "embedding_norm"],
    layersPattern: "layers",
    layers,
    attention: null,
    unlikeBlocks: true,
  };
};
