import { affine } from "@lowrank/core";
import type { JsonFields } from "../../config/jsonFields.ts";
import { rmsNorms } from "../../layers/rmsNorms.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { type LlamaFamilyConfig, llamaFamilyToHf, readLlamaFamily } from "../llama/config.ts";
import { llamaFamilyHeads, llamaTargets, withoutFrequencies } from "../llama/model.ts";
import type { LlamaTraits } from "../llama/traits.ts";

/** The config of a Granite model: the fields of Hugging Face's GraniteConfig in camelCase. */
export interface GraniteConfig extends LlamaFamilyConfig {
  modelType: "granite";
  attentionBias: boolean;
  mlpBias: boolean;
  /** Factor by which attention scores are multiplied. */
  attentionMultiplier: number;
  embeddingMultiplier: number;
  /** Factor by which the outputs of attention and MLP are multiplied before they are added to the residual. */
  residualMultiplier: number;
  /** Logits are divided by this value. */
  logitsScaling: number;
}

const defaults = {
  vocabSize: 32000,
  intermediateSize: 11008,
  numKeyValueHeads: null,
  maxPositionEmbeddings: 2048,
  bosTokenId: 1,
  eosTokenIds: [2],
};

function readConfig(fields: JsonFields): GraniteConfig {
  return {
    ...readLlamaFamily(fields, "granite", defaults),
    attentionBias: fields.boolean("attention_bias", false),
    mlpBias: fields.boolean("mlp_bias", false),
    attentionMultiplier: fields.number("attention_multiplier", 1),
    embeddingMultiplier: fields.number("embedding_multiplier", 1),
    residualMultiplier: fields.number("residual_multiplier", 1),
    logitsScaling: fields.positive("logits_scaling", 1),
  };
}

function traits({ rmsNormEps, attentionBias, mlpBias, logitsScaling, ...config }: GraniteConfig): LlamaTraits {
  return {
    ...{ norm: rmsNorms(rmsNormEps), qkvBias: attentionBias, outputBias: attentionBias, mlpBias },
    attentionScale: config.attentionMultiplier,
    inputScale: config.embeddingMultiplier,
    residualScale: config.residualMultiplier,
    logits: logitsScaling === 1 ? undefined : (x) => affine(x, { scale: 1 / logitsScaling }),
  };
}

/** Granite: Llama with four additional scale factors. Granite Team 2024. */
export const granite: Architecture<GraniteConfig> = defineArchitecture({
  modelType: "granite",
  readConfig,
  writeConfig: (config) => ({
    ...llamaFamilyToHf(config),
    attention_bias: config.attentionBias,
    attention_multiplier: config.attentionMultiplier,
    embedding_multiplier: config.embeddingMultiplier,
    logits_scaling: config.logitsScaling,
    mlp_bias: config.mlpBias,
    residual_multiplier: config.residualMultiplier,
  }),
  heads: { causalLM: llamaFamilyHeads("Granite", traits).causalLM },
  stack: "model",
  sanitize: withoutFrequencies,
  gguf: async () => (await import("./gguf.ts")).graniteForm(traits),
  defaultTargets: llamaTargets,
  presets: {
    "granite-3.3-2b": {
      ...{ vocab_size: 49159, hidden_size: 2048, intermediate_size: 8192, num_hidden_layers: 40 },
      ...{ num_attention_heads: 32, num_key_value_heads: 8, max_position_embeddings: 131072, rope_theta: 1e7 },
      ...{ attention_multiplier: 0.015625, embedding_multiplier: 12, residual_multiplier: 0.22, logits_scaling: 8 },
      ...{ rms_norm_eps: 1e-5, tie_word_embeddings: true, bos_token_id: 0, eos_token_id: 0 },
    },
  },
});
