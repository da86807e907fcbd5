/** A `config.json` as an object. Missing keys take the defaults of transformers. */
type HfConfig = Readonly<Record<string, unknown>>;

const llama = (
  hidden_size: number,
  intermediate_size: number,
  num_hidden_layers: number,
  num_attention_heads: number,
  more: HfConfig = {},
): HfConfig => {
  const sizes = { hidden_size, intermediate_size, num_hidden_layers, num_attention_heads };
  return { ...sizes, rms_norm_eps: 1e-5, ...more };
};

const llama2: HfConfig = { max_position_embeddings: 4096 };

const llama3: HfConfig = {
  vocab_size: 128256,
  num_key_value_heads: 8,
  max_position_embeddings: 8192,
  rope_theta: 500000,
  bos_token_id: 128000,
  eos_token_id: 128001,
};

const llama32: HfConfig = {
  ...llama3,
  max_position_embeddings: 131072,
  tie_word_embeddings: true,
  rope_scaling: {
    rope_type: "llama3",
    factor: 32,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  },
};

const smollm2: HfConfig = {
  vocab_size: 49152,
  max_position_embeddings: 8192,
  rope_theta: 100000,
  tie_word_embeddings: true,
  bos_token_id: 0,
  eos_token_id: 0,
};

/** The configs of published Llama-style models, by name. */
export const llamaPresets: Readonly<Record<string, HfConfig>> = {
  // Touvron et al. 2023, arXiv:2302.13971.
  "llama-7b": llama(4096, 11008, 32, 32, { rms_norm_eps: 1e-6 }),
  "llama-13b": llama(5120, 13824, 40, 40, { rms_norm_eps: 1e-6 }),
  "llama-33b": llama(6656, 17920, 60, 52),
  "llama-65b": llama(8192, 22016, 80, 64),
  // Touvron et al. 2023, arXiv:2307.09288.
  "llama-2-7b": llama(4096, 11008, 32, 32, llama2),
  "llama-2-13b": llama(5120, 13824, 40, 40, llama2),
  "llama-2-70b": llama(8192, 28672, 80, 64, { ...llama2, num_key_value_heads: 8 }),
  // Grattafiori et al. 2024, arXiv:2407.21783.
  "llama-3-8b": llama(4096, 14336, 32, 32, llama3),
  "llama-3-70b": llama(8192, 28672, 80, 64, llama3),
  "llama-3.2-1b": llama(2048, 8192, 16, 32, llama32),
  "llama-3.2-3b": llama(3072, 8192, 28, 24, llama32),
  // Ben Allal et al. 2025, arXiv:2502.02737.
  "smollm2-135m": llama(576, 1536, 30, 9, { ...smollm2, num_key_value_heads: 3 }),
  "smollm2-360m": llama(960, 2560, 32, 15, { ...smollm2, num_key_value_heads: 5 }),
  "smollm2-1.7b": llama(2048, 8192, 24, 32, { ...smollm2, rope_theta: 130000 }),
  // Zhang et al. 2024, arXiv:2401.02385.
  "tinyllama-1.1b": llama(2048, 5632, 22, 32, { num_key_value_heads: 4 }),
  // Karpathy's llama2.c, trained on TinyStories.
  stories15m: llama(288, 768, 6, 6, { max_position_embeddings: 256, tie_word_embeddings: true }),
};
