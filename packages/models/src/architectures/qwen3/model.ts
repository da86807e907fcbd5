import { rmsNorms } from "../../layers/rmsNorms.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { type LlamaFamilyConfig, llamaFamilyToHf, readLlamaFamily } from "../llama/config.ts";
import { llamaFamilyHeads, llamaTargets, withoutFrequencies } from "../llama/model.ts";
import { normedAttention } from "../llama/normedAttention.ts";
import type { LlamaTraits } from "../llama/traits.ts";
import { type QwenWindows, qwenWindow, qwenWindowsToHf, readQwenWindows } from "../qwen2/windows.ts";

/** The config of a Qwen3 model: the fields of Hugging Face's Qwen3Config in camelCase. */
export interface Qwen3Config extends LlamaFamilyConfig, QwenWindows {
  modelType: "qwen3";
  attentionBias: boolean;
}

const defaults = {
  vocabSize: 151936,
  intermediateSize: 22016,
  numKeyValueHeads: 32,
  headDim: 128,
  maxPositionEmbeddings: 32768,
  bosTokenId: null,
  eosTokenIds: [],
};

function traits(config: Qwen3Config): LlamaTraits {
  const { attentionBias, rmsNormEps } = config;
  return {
    norm: rmsNorms(rmsNormEps),
    qkvBias: attentionBias,
    outputBias: attentionBias,
    window: qwenWindow(config),
    attention: normedAttention("head"),
  };
}

/** Qwen3: Llama with a norm over each query head and each key head. Yang et al. 2025, arXiv:2505.09388. */
export const qwen3: Architecture<Qwen3Config> = defineArchitecture({
  modelType: "qwen3",
  readConfig: (fields) => {
    const config = readLlamaFamily(fields, "qwen3", defaults);
    return {
      ...config,
      ...readQwenWindows(fields, config.numHiddenLayers),
      attentionBias: fields.boolean("attention_bias", false),
    };
  },
  writeConfig: (config) => ({
    ...llamaFamilyToHf(config),
    ...qwenWindowsToHf(config),
    attention_bias: config.attentionBias,
  }),
  heads: llamaFamilyHeads("Qwen3", traits),
  stack: "model",
  sanitize: withoutFrequencies,
  gguf: async () => (await import("./gguf.ts")).qwen3Form(traits),
  defaultTargets: llamaTargets,
  presets: {
    "qwen3-0.6b": {
      ...{ hidden_size: 1024, intermediate_size: 3072, num_hidden_layers: 28, num_attention_heads: 16 },
      ...{ num_key_value_heads: 8, head_dim: 128, max_position_embeddings: 40960, rope_theta: 1e6 },
      tie_word_embeddings: true,
    },
    "qwen3-8b": {
      ...{ hidden_size: 4096, intermediate_size: 12288, num_hidden_layers: 36, num_attention_heads: 32 },
      ...{ num_key_value_heads: 8, head_dim: 128, max_position_embeddings: 40960, rope_theta: 1e6 },
    },
  },
});
