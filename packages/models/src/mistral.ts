import { type Architecture, defineArchitecture } from "./architecture.ts";
import type { ClassifierHead } from "./config/classifierHead.ts";
import type { JsonFields } from "./config/jsonFields.ts";
import { type LlamaKinConfig, type LlamaTraits, llamaKinToHf, readLlamaKin } from "./config/llamaConfig.ts";
import type { GgufForm } from "./gguf/ggufForm.ts";
import { u32 } from "./gguf/ggufValues.ts";
import { llama3Factors, llamaMetadata, llamaTensors, readLlamaGguf } from "./gguf/llamaGguf.ts";
import { LlamaKinForCausalLM, LlamaKinForSequenceClassification, llamaTargets, withoutFrequencies } from "./llama.ts";
import type { ParameterSource } from "./parameters.ts";

/** The shape of a Mistral model, named as in Hugging Face's MistralConfig. */
interface MistralConfig extends LlamaKinConfig {
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

const windowKey = "attention.sliding_window";

/**
 * Mistral as llama.cpp has it: a llama. A file without a window is read as one,
 * which computes the same.
 */
const gguf: GgufForm<MistralConfig> = {
  architecture: "llama",
  claims: ({ metadata, key }) => Boolean(metadata.raw(key(windowKey))),
  readConfig: (parts) => ({ ...readLlamaGguf(parts), sliding_window: parts.metadata.integer(parts.key(windowKey)) }),
  metadata: (config) => ({
    ...llamaMetadata(config),
    ...(config.slidingWindow === null ? {} : { [windowKey]: u32(config.slidingWindow) }),
  }),
  tensors: (config) => llamaTensors(config, traits(config), true),
  ropeFactors: llama3Factors,
  notes: ({ slidingWindow, maxPositionEmbeddings }) =>
    slidingWindow === null || slidingWindow >= maxPositionEmbeddings
      ? []
      : [`llama.cpp does not heed the sliding window of ${slidingWindow} positions, so longer texts differ there`],
};

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
  gguf,
  defaultTargets: llamaTargets,
  presets: {
    "mistral-7b": { max_position_embeddings: 32768, rms_norm_eps: 1e-5 },
  },
});
