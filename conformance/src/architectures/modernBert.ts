import type { DrawBase } from "../randomBases.ts";
import { tokens } from "./tokens.ts";

/** A ModernBERT for sequence classification: rotary embedding, and sliding windows on some layers. */
export const modernBert: DrawBase = (draw) => {
  const heads = draw.integer(1, 3);
  const hidden = heads * 2 * draw.integer(2, 5);
  const inner = draw.integer(9, 40);
  const layers = draw.integer(1, 3);
  const classes = draw.integer(2, 4);
  return {
    config: {
      model_type: "modernbert",
      ...tokens,
      ...{ cls_token_id: 1, sep_token_id: 2 },
      vocab_size: draw.integer(50, 70),
      hidden_size: hidden,
      intermediate_size: inner,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      max_position_embeddings: 64,
      hidden_activation: draw.pick(["gelu", "gelu", "silu"]),
      global_attn_every_n_layers: draw.integer(1, 3),
      local_attention: 2 * draw.integer(8, 16),
      attention_bias: draw.chance(0.3),
      mlp_bias: draw.chance(0.3),
      norm_bias: draw.chance(0.3),
      classifier_pooling: draw.pick(["cls", "mean"]),
      num_labels: classes,
    },
    task: "SEQ_CLS",
    kind: "encoder",
    classes,
    linears: {
      "attn.Wqkv": [hidden, 3 * hidden],
      "attn.Wo": [hidden, hidden],
      "mlp.Wi": [hidden, 2 * inner],
      "mlp.Wo": [inner, hidden],
    },
    conv1d: false,
    embedding: "tok_embeddings",
    padsRight: true,
    tied: false,
    norms: ["mlp_norm", "embeddings.norm", "final_norm"],
    layersPattern: "layers",
    layers,
    attention: null,
  };
};
