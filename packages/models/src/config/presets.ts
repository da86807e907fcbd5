import { nearestName } from "@lowrank/core";
import { type ModelConfig, parseModelConfig } from "./modelConfig.ts";

/** A `config.json` as an object; what it leaves out takes the defaults of transformers. */
type HfConfig = Readonly<Record<string, unknown>>;

/** Radford et al. 2019; GPT-3 (Brown et al. 2020, arXiv:2005.14165) is GPT-2 at 2048 positions, but for sparse attention. */
const gpt2 = (n_embd: number, n_layer: number, n_head: number, more: HfConfig = {}): HfConfig => {
  return { model_type: "gpt2", n_embd, n_layer, n_head, ...more };
};

const llama = (
  hidden_size: number,
  intermediate_size: number,
  num_hidden_layers: number,
  num_attention_heads: number,
  more: HfConfig = {},
): HfConfig => {
  const sizes = { hidden_size, intermediate_size, num_hidden_layers, num_attention_heads };
  return { model_type: "llama", ...sizes, rms_norm_eps: 1e-5, ...more };
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

const presets = {
  gpt2: gpt2(768, 12, 12),
  "gpt2-medium": gpt2(1024, 24, 16),
  "gpt2-large": gpt2(1280, 36, 20),
  "gpt2-xl": gpt2(1600, 48, 25),
  "gpt3-175b": gpt2(12288, 96, 96, { n_positions: 2048 }),
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
} satisfies Record<string, HfConfig>;

/** Names of published models whose shapes are known without a file. */
export const presetNames: readonly string[] = Object.keys(presets);

/** The config of a published model by name: `presetConfig("llama-7b")`. Throws, with the nearest name, for others. */
export function presetConfig(name: string): ModelConfig {
  if (Object.hasOwn(presets, name)) return parseModelConfig(presets[name as keyof typeof presets], `preset ${name}`);
  const near = nearestName(name, presetNames);
  const hint = near === null ? "" : `did you mean ${near}? `;
  throw new Error(`there is no preset ${JSON.stringify(name)}; ${hint}There are ${presetNames.join(", ")}`);
}
