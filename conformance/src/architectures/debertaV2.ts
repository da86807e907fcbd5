import type { DrawBase } from "../randomBases.ts";
import { tokens } from "./tokens.ts";

/** A DeBERTa v2 or v3 for sequence classification, with or without relative attention. */
export const debertaV2: DrawBase = (draw) => {
  const heads = draw.integer(1, 3);
  const inner = heads * draw.integer(3, 8);
  const hidden = inner * draw.integer(1, 2);
  const layers = draw.integer(1, 3);
  const classes = draw.integer(2, 4);
  const relative = draw.chance(0.8);
  return {
    config: {
      model_type: "deberta-v2",
      ...tokens,
      vocab_size: draw.integer(50, 70),
      hidden_size: hidden,
      pooler_hidden_size: hidden,
      intermediate_size: inner,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      max_position_embeddings: 64,
      type_vocab_size: draw.pick([0, 2]),
      hidden_act: draw.pick(["gelu", "gelu", "relu"]),
      relative_attention: relative,
      ...(relative
        ? {
            pos_att_type: draw.pick([["c2p", "p2c"], ["c2p"], ["p2c"]]),
            position_buckets: draw.pick([-1, 4, 8]),
            norm_rel_ebd: draw.pick(["none", "layer_norm"]),
            share_att_key: draw.chance(0.5),
            position_biased_input: draw.chance(0.5),
          }
        : {}),
      ...{ hidden_dropout_prob: 0, attention_probs_dropout_prob: 0, pooler_dropout: 0 },
      num_labels: classes,
    },
    task: "SEQ_CLS",
    kind: "encoder",
    classes,
    linears: {
      "attention.self.query_proj": [hidden, hidden],
      "attention.self.key_proj": [hidden, hidden],
      "attention.self.value_proj": [hidden, hidden],
      "attention.output.dense": [hidden, hidden],
      "intermediate.dense": [hidden, inner],
      "output.dense": [inner, hidden],
    },
    conv1d: false,
    embedding: "word_embeddings",
    padsRight: true,
    tied: false,
    norms: ["output.LayerNorm", "embeddings.LayerNorm", "attention.output.LayerNorm"],
    layersPattern: "layer",
    layers,
    attention: ["attention.self.query_proj", "attention.self.value_proj"],
  };
};
