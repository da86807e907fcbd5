import type { DrawBase } from "../randomBases.ts";
import { tokens } from "./tokens.ts";

/** A GPT-2, with weights stored as [in, out], for a language model or sequence classification. */
export const gpt2: DrawBase = (draw) => {
  const heads = draw.integer(1, 4);
  const hidden = heads * draw.integer(3, 9);
  const inner = draw.chance(0.5) ? draw.integer(9, 56) : 4 * hidden;
  const layers = draw.integer(1, 3);
  const vocab = draw.integer(50, 70);
  const classifies = draw.chance(0.25);
  const classes = classifies ? draw.integer(2, 4) : vocab;
  const tied = !classifies && draw.chance(0.7);
  return {
    config: {
      model_type: "gpt2",
      ...tokens,
      vocab_size: vocab,
      n_embd: hidden,
      n_layer: layers,
      n_head: heads,
      n_positions: 64,
      n_inner: inner,
      activation_function: draw.pick(["gelu_new", "gelu_new", "relu", "gelu"]),
      tie_word_embeddings: tied,
      scale_attn_by_inverse_layer_idx: draw.chance(0.2),
      ...{ resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 },
      ...(classifies ? { num_labels: classes } : {}),
    },
    task: classifies ? "SEQ_CLS" : "CAUSAL_LM",
    kind: "decoder",
    classes,
    linears: {
      "attn.c_attn": [hidden, 3 * hidden],
      "attn.c_proj": [hidden, hidden],
      "mlp.c_fc": [hidden, inner],
      "mlp.c_proj": [inner, hidden],
    },
    conv1d: true,
    embedding: "wte",
    tied,
    norms: ["ln_1", "ln_2", "ln_f"],
    layersPattern: "h",
    layers,
    attention: ["attn.c_attn"],
  };
};
