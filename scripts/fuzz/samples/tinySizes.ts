/**
 * The fields of a small `config.json` of any architecture: each reads its own and passes over the
 * others.
 */
export const tinySizes = {
  vocab_size: 64,
  hidden_size: 32,
  n_embd: 32,
  dim: 32,
  intermediate_size: 64,
  hidden_dim: 64,
  block_multiple_of: 8,
  num_hidden_layers: 2,
  n_layer: 2,
  n_layers: 2,
  num_attention_heads: 4,
  n_head: 4,
  n_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  query_pre_attn_scalar: 16,
  max_position_embeddings: 32,
  n_positions: 32,
  num_experts: 2,
  num_local_experts: 2,
  num_experts_per_tok: 1,
  moe_intermediate_size: 32,
  shared_expert_intermediate_size: 32,
  full_attn_idxs: [1],
  bos_token_id: 1,
  eos_token_id: 2,
  pad_token_id: 0,
} as const;
