import type { DrawBase } from "../randomBases.ts";
import { tokens } from "./tokens.ts";

/** A llama: grouped queries, heads wider or narrower than the hidden size says, biases or none. */
export const llama: DrawBase = (draw) => {
  const keyHeads = draw.integer(1, 2);
  const heads = keyHeads * draw.integer(1, 3);
  const headDim = 2 * draw.integer(2, 5);
  const own = draw.chance(0.4);
  const hidden = heads * (own ? draw.integer(4, 13) : headDim);
  const inner = draw.integer(9, 56);
  const tied = draw.chance(0.3);
  const layers = draw.integer(1, 3);
  const vocab = draw.integer(50, 70);
  const [queries, keys] = [heads * headDim, keyHeads * headDim];
  return {
    config: {
      model_type: "llama",
      ...tokens,
      vocab_size: vocab,
      hidden_size: hidden,
      intermediate_size: inner,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: keyHeads,
      max_position_embeddings: 64,
      tie_word_embeddings: tied,
      hidden_act: draw.pick(["silu", "silu", "gelu", "gelu_pytorch_tanh"]),
      attention_bias: draw.chance(0.3),
      mlp_bias: draw.chance(0.3),
      rms_norm_eps: draw.pick([1e-6, 1e-5]),
      rope_theta: draw.pick([10000, 500]),
      ...(own ? { head_dim: headDim } : {}),
    },
    task: "CAUSAL_LM",
    classes: vocab,
    linears: {
      "self_attn.q_proj": [hidden, queries],
      "self_attn.k_proj": [hidden, keys],
      "self_attn.v_proj": [hidden, keys],
      "self_attn.o_proj": [queries, hidden],
      "mlp.gate_proj": [hidden, inner],
      "mlp.up_proj": [hidden, inner],
      "mlp.down_proj": [inner, hidden],
    },
    embedding: "embed_tokens",
    tied,
    norms: ["input_layernorm", "post_attention_layernorm", "norm"],
    layersPattern: "layers",
    layers,
    attention: ["self_attn.q_proj", "self_attn.v_proj"],
  };
};
