import type { DrawBase } from "../randomBases.ts";
import { tokens } from "./tokens.ts";

/** A DistilBERT for sequence classification. */
export const distilBert: DrawBase = (draw) => {
  const heads = draw.integer(1, 3);
  const inner = heads * draw.integer(3, 8);
  const hidden = inner * draw.integer(1, 2);
  const layers = draw.integer(1, 3);
  const classes = draw.integer(2, 4);
  return {
    config: {
      model_type: "distilbert",
      ...tokens,
      vocab_size: draw.integer(50, 70),
      dim: hidden,
      hidden_dim: inner,
      n_layers: layers,
      n_heads: heads,
      max_position_embeddings: 64,
      activation: draw.pick(["gelu", "gelu", "relu"]),
      ...{ dropout: 0, attention_dropout: 0, seq_classif_dropout: 0 },
      num_labels: classes,
    },
    task: "SEQ_CLS",
    kind: "encoder",
    classes,
    linears: {
      "attention.q_lin": [hidden, hidden],
      "attention.k_lin": [hidden, hidden],
      "attention.v_lin": [hidden, hidden],
      "attention.out_lin": [hidden, hidden],
      "ffn.lin1": [hidden, inner],
      "ffn.lin2": [inner, hidden],
    },
    conv1d: false,
    embedding: "word_embeddings",
    otherLinears: true,
    unprompted: true,
    tied: false,
    norms: ["sa_layer_norm", "embeddings.LayerNorm", "output_layer_norm"],
    layersPattern: "layer",
    layers,
    attention: null,
  };
};
