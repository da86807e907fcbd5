import { type Architecture, defineArchitecture } from "./architecture.ts";
import type { ClassifierHead } from "./config/classifierHead.ts";
import type { JsonFields } from "./config/jsonFields.ts";
import { type LlamaKinConfig, type LlamaTraits, llamaKinToHf, readLlamaKin } from "./config/llamaConfig.ts";
import { LlamaKinForCausalLM, LlamaKinForSequenceClassification, llamaTargets, withoutFrequencies } from "./llama.ts";
import type { ParameterSource } from "./parameters.ts";

/** The shape of a Mistral model, named as in Hugging Face's MistralConfig. */
export interface MistralConfig extends LlamaKinConfig {
  modelType: "mistral";
  /** Number of positions that a token sees, its own included; null for all. */
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
    ...readLlamaKin(fields, "mistral", defaults),
    slidingWindow: fields.isNull("sliding_window") ? null : fields.integer("sliding_window", 4096),
  };
}

function traits({ slidingWindow }: MistralConfig): LlamaTraits {
  return slidingWindow === null ? {} : { window: { size: slidingWindow, has: () => true } };
}

/**
 * Mistral with a language-model head, as transformers' MistralForCausalLM. Jiang et
 * al. 2023, arXiv:2310.06825.
 */
class MistralForCausalLM extends LlamaKinForCausalLM<MistralConfig> {
  constructor(config: MistralConfig, source: ParameterSource) {
    super(config, source, traits(config));
  }
}

/** Mistral that classifies sequences, as transformers' MistralForSequenceClassification. */
class MistralForSequenceClassification extends LlamaKinForSequenceClassification<MistralConfig> {
  constructor(config: MistralConfig & ClassifierHead, source: ParameterSource) {
    super(config, source, traits(config));
  }
}

/** Mistral: a Llama whose tokens may see only so far back. */
export const mistral: Architecture<MistralConfig> = defineArchitecture({
  modelType: "mistral",
  readConfig,
  writeConfig: (config) => ({ ...llamaKinToHf(config), sliding_window: config.slidingWindow }),
  heads: {
    causalLM: {
      className: "MistralForCausalLM",
      module: "lm_head",
      create: (config, source) => new MistralForCausalLM(config, source),
    },
    sequenceClassification: {
      className: "MistralForSequenceClassification",
      module: "score",
      create: (config, source) => new MistralForSequenceClassification(config, source),
    },
  },
  stack: "model",
  sanitize: withoutFrequencies,
  gguf: async () => (await import("./gguf/mistralForm.ts")).mistralForm(traits),
  defaultTargets: llamaTargets,
  presets: {
    "mistral-7b": { max_position_embeddings: 32768, rms_norm_eps: 1e-5 },
  },
});
