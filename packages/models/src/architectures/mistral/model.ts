import type { JsonFields } from "../../config/jsonFields.ts";
import { rmsNorms } from "../../layers/rmsNorms.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { type LlamaFamilyConfig, llamaFamilyToHf, readLlamaFamily } from "../llama/config.ts";
import { llamaFamilyHeads, llamaTargets, withoutFrequencies } from "../llama/model.ts";
import type { LlamaTraits } from "../llama/traits.ts";

/** The config of a Mistral model: the fields of Hugging Face's MistralConfig in camelCase. */
export interface MistralConfig extends LlamaFamilyConfig {
  modelType: "mistral";
  /** Number of positions that a token attends to, its own included; null for all. */
  slidingWindow: number | null;
}

const defaults = {
  vocabSize: 32000,
  intermediateSize: 14336,
  numKeyValueHeads: 8,
  maxPositionEmbeddings: 131072,
  bosTokenId: 1,
  eosTokenIds: [2],
};

function readConfig(fields: JsonFields): MistralConfig {
  return {
    ...readLlamaFamily(fields, "mistral", defaults),
    slidingWindow: fields.isNull("sliding_window") ? null : fields.integer("sliding_window", 4096),
  };
}

function traits({ slidingWindow, rmsNormEps }: MistralConfig): LlamaTraits {
  const window = slidingWindow === null ? undefined : { size: slidingWindow, has: () => true };
  return { norm: rmsNorms(rmsNormEps), window };
}

/** Mistral: Llama with sliding-window attention. Jiang et al. 2023, arXiv:2310.06825. */
export const mistral: Architecture<MistralConfig> = defineArchitecture({
  modelType: "mistral",
  readConfig,
  writeConfig: (config) => ({ ...llamaFamilyToHf(config), sliding_window: config.slidingWindow }),
  heads: llamaFamilyHeads("Mistral", traits),
  stack: "model",
  sanitize: withoutFrequencies,
  gguf: async () => (await import("./gguf.ts")).mistralForm(traits),
  defaultTargets: llamaTargets,
  presets: {
    "mistral-7b": { max_position_embeddings: 32768, rms_norm_eps: 1e-5 },
  },
});
