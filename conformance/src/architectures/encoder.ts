import type { DrawBase } from "../randomBases.ts";
import { tokens } from "./tokens.ts";

/** A BERT or RoBERTa for sequence classification. */
export const encoder =
  (modelType: "bert" | "roberta"): DrawBase =>
  (draw) => {
    const heads = draw.integer(1, 3);
    // "output.dense" also matches the layer after attention, so the sizes of both must have the same divisors.
    const inner = heads * draw.integer(3, 8);
    const hidden = inner * draw.integer(1, 2);
    const layers = draw.integer(1, 3);
    const classes = draw.integer(2, 4);
    return {
      config: {
        model_type: modelType,
        ...tokens,
        vocab_size: draw.integer(50, 70),
        hidden_size: hidden,
        intermediate_size: inner,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        max_position_embeddings: 64,
        type_vocab_size: 2,
        hidden_act: draw.pick(["gelu", "gelu", "relu"]),
        ...{ hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 },
        num_labels: classes,
      },
      task: "SEQ_CLS",
      kind: "encoder",
      classes,
      linears: {
        "attention.self.query": [hidden, hidden],
        "attention.self.key": [hidden, hidden],
        "attention.self.value": [hidden, hidden],
        "attention.output.dense": [hidden, hidden],
        "intermediate.dense": [hidden, inner],
        "output.dense": [inner, hidden],
      },
      conv1d: false,
      embedding: "word_embeddings",
      deepHead: modelType === "roberta",
      tied: false,
      norms: ["output.LayerNorm", "embeddings.LayerNorm", "attention.output.LayerNorm"],
      layersPattern: "layer",
      layers,
      attention: ["attention.self.query", "attention.self.value"],
    };
  };
