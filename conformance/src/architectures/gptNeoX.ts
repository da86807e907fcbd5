import type { DrawBase } from "../randomBases.ts";
import { tokens } from "./tokens.ts";

/** A gpt_neox, with attention and MLP in parallel or in sequence. */
export const gptNeoX: DrawBase = (draw) => {
  const heads = draw.integer(1, 4);
  const headDim = 2 * draw.integer(2, 5);
  const hidden = heads * headDim;
  const inner = draw.integer(9, 56);
  const layers = draw.integer(1, 3);
  const vocab = draw.integer(50, 70);
  const classifies = draw.chance(0.15);
  const classes = classifies ? draw.integer(2, 4) : vocab;
  const tied = !classifies && draw.chance(0.3);
  return {
    config: {
      model_type: "gpt_neox",
      ...tokens,
      vocab_size: vocab,
      hidden_size: hidden,
      intermediate_size: inner,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      max_position_embeddings: 64,
      tie_word_embeddings: tied,
      hidden_act: draw.pick(["gelu", "gelu", "relu"]),
      rotary_pct: (2 * draw.integer(1, headDim / 2)) / headDim,
      use_parallel_residual: draw.chance(0.5),
      attention_bias: draw.chance(0.7),
      ...{ hidden_dropout: 0, attention_dropout: 0, classifier_dropout: 0 },
      ...(classifies ? { num_labels: classes } : {}),
    },
    task: classifies ? "SEQ_CLS" : "CAUSAL_LM",
    kind: "decoder",
    classes,
    linears: {
      "attention.query_key_value": [hidden, 3 * hidden],
      "attention.dense": [hidden, hidden],
      "mlp.dense_h_to_4h": [hidden, inner],
      "mlp.dense_4h_to_h": [inner, hidden],
    },
    conv1d: false,
    embedding: "embed_in",
    renamedHead: true,
    tied,
    norms: ["input_layernorm", "post_attention_layernorm", "final_layer_norm"],
    layersPattern: "layers",
    layers,
    attention: ["attention.query_key_value"],
  };
};
