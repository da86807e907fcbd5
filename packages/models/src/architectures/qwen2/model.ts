import { rmsNorms } from "../../layers/rmsNorms.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { type LlamaFamilyConfig, llamaFamilyToHf, readLlamaFamily } from "../llama/config.ts";
import { llamaFamilyHeads, withoutFrequencies } from "../llama/model.ts";
import type { LlamaTraits } from "../llama/traits.ts";
import { type QwenWindows, qwenWindow, qwenWindowsToHf, readQwenWindows } from "./windows.ts";

/** The config of a Qwen2 model: the fields of Hugging Face's Qwen2Config in camelCase. */
export interface Qwen2Config extends LlamaFamilyConfig, QwenWindows {
  modelType: "qwen2";
}

const defaults = {
  vocabSize: 151936,
  intermediateSize: 22016,
  numKeyValueHeads: 32,
  maxPositionEmbeddings: 32768,
  bosTokenId: null,
  eosTokenIds: [],
};

function traits(config: Qwen2Config): LlamaTraits {
  return { norm: rmsNorms(config.rmsNormEps), qkvBias: true, window: qwenWindow(config) };
}

/** Qwen2 and Qwen2.5: Llama with biases on queries, keys and values. Yang et al. 2024, arXiv:2407.10671. */
export const qwen2: Architecture<Qwen2Config> = defineArchitecture({
  modelType: "qwen2",
  readConfig: (fields) => {
    const config = readLlamaFamily(fields, "qwen2", defaults);
    return { ...config, ...readQwenWindows(fields, config.numHiddenLayers) };
  },
  writeConfig: (config) => ({ ...llamaFamilyToHf(config), ...qwenWindowsToHf(config) }),
  heads: llamaFamilyHeads("Qwen2", traits),
  stack: "model",
  sanitize: withoutFrequencies,
  gguf: async () => (await import("./gguf.ts")).qwen2Form(traits),
  defaultTargets: { linear: ["q_proj", "v_proj"], norm: ["post_attention_layernorm"], attention: ["self_attn"] },
  presets: {
    // Qwen Team 2024, arXiv:2412.15115.
    "qwen2.5-0.5b": {
      ...{ hidden_size: 896, intermediate_size: 4864, num_hidden_layers: 24, num_attention_heads: 14 },
      ...{ num_key_value_heads: 2, rope_theta: 1e6, tie_word_embeddings: true },
    },
    "qwen2.5-7b": {
      ...{ hidden_size: 3584, intermediate_size: 18944, num_hidden_layers: 28, num_attention_heads: 28 },
      ...{ vocab_size: 152064, num_key_value_heads: 4, max_position_embeddings: 131072, rope_theta: 1e6 },
    },
  },
});
