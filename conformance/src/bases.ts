const sizes = { vocab_size: 101, initializer_range: 0.2, pad_token_id: 0, bos_token_id: 1, eos_token_id: 2 };

const llama = {
  model_type: "llama",
  ...sizes,
  hidden_size: 32,
  intermediate_size: 56,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
};

const noDropout = { resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 };

/**
 * The models on which adapters are tested, as transformers configs: grouped-query heads, tied and untied output layers,
 * and GPT-2 with weights stored as [in, out]. Weights have ten times the usual size, so that logits are of order 1.
 */
export const bases = {
  llama,
  "llama-tied": { ...llama, tie_word_embeddings: true },
  gpt2: { model_type: "gpt2", ...sizes, n_embd: 32, n_layer: 2, n_head: 4, n_positions: 64, ...noDropout },
};

/** The name of one of the `bases`. */
export type BaseName = keyof typeof bases;
