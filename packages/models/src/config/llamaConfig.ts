import { type Activation, readActivation } from "./activation.ts";
import type { ModelConfig } from "./architectureConfig.ts";
import type { JsonFields } from "./jsonFields.ts";
import { type RopeConfig, readRope, ropeToHf } from "./ropeConfig.ts";
import { eosToHf } from "./tokenIds.ts";

/**
 * The fields that the configs of Llama and its kin share, named as in Hugging Face's LlamaConfig.
 */
export interface LlamaKinConfig extends ModelConfig {
  hiddenSize: number;
  intermediateSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  numKeyValueHeads: number;
  headDim: number;
  hiddenAct: Activation;
  maxPositionEmbeddings: number;
  rmsNormEps: number;
  /** The probability with which weights of attention are dropped in training. */
  attentionDropout: number;
  rope: RopeConfig;
}

/** The ways in which Llama and its kin differ. */
export interface LlamaTraits {
  /** True if the projections to queries, keys and values have biases. Default false. */
  readonly qkvBias?: boolean;
  /** True if the projection behind attention has a bias. Default false. */
  readonly outputBias?: boolean;
  /** True if the MLP's layers have biases. Default false. */
  readonly mlpBias?: boolean;
  /**
   * The layers whose tokens see `size` positions, up to their own. Absent: all see all before them.
   */
  readonly window?: { readonly size: number; has(layer: number): boolean };
}

/** The shape of a Llama model, named as in Hugging Face's LlamaConfig. */
export interface LlamaConfig extends LlamaKinConfig {
  modelType: "llama";
  attentionBias: boolean;
  mlpBias: boolean;
}

/** The defaults of transformers that differ between Llama and its kin. */
interface KinDefaults {
  readonly vocabSize: number;
  readonly intermediateSize: number;
  /** Heads of keys and values; null for as many as queries have. */
  readonly numKeyValueHeads: number | null;
  readonly maxPositionEmbeddings: number;
  readonly bosTokenId: number | null;
  readonly eosTokenIds: readonly number[];
}

/**
 * Reads what the configs of Llama and its kin share; missing keys take the
 * defaults of transformers.
 */
export function readLlamaKin<T extends string>(
  fields: JsonFields,
  modelType: T,
  defaults: KinDefaults,
): LlamaKinConfig & { modelType: T } {
  const hiddenSize = fields.integer("hidden_size", 4096);
  const numAttentionHeads = fields.integer("num_attention_heads", 32);
  const numKeyValueHeads = fields.integer("num_key_value_heads", defaults.numKeyValueHeads ?? numAttentionHeads);
  if (numAttentionHeads % numKeyValueHeads !== 0) {
    throw fields.bad("num_key_value_heads", `a divisor of num_attention_heads ${numAttentionHeads}`);
  }
  if (fields.raw("head_dim") === undefined && hiddenSize % numAttentionHeads !== 0) {
    throw fields.bad(
      "hidden_size",
      `a multiple of num_attention_heads ${numAttentionHeads} where there is no head_dim`,
    );
  }
  const headDim = fields.integer("head_dim", hiddenSize / numAttentionHeads);
  if (headDim % 2 !== 0) {
    throw new Error(`${fields.where}: a head has ${headDim} entries; rotary embedding needs an even number`);
  }
  return {
    modelType,
    vocabSize: fields.integer("vocab_size", defaults.vocabSize),
    hiddenSize,
    intermediateSize: fields.integer("intermediate_size", defaults.intermediateSize),
    numHiddenLayers: fields.integer("num_hidden_layers", 32),
    numAttentionHeads,
    numKeyValueHeads,
    headDim,
    hiddenAct: readActivation(fields, "hidden_act", "silu"),
    maxPositionEmbeddings: fields.integer("max_position_embeddings", defaults.maxPositionEmbeddings),
    rmsNormEps: fields.number("rms_norm_eps", 1e-6),
    attentionDropout: fields.probability("attention_dropout", 0),
    rope: readRope(fields),
    tieWordEmbeddings: fields.boolean("tie_word_embeddings", false),
    bosTokenId: fields.tokenId("bos_token_id", defaults.bosTokenId),
    eosTokenIds: fields.tokenIds("eos_token_id", defaults.eosTokenIds),
    padTokenId: fields.tokenId("pad_token_id", null),
  };
}

const llamaDefaults: KinDefaults = {
  vocabSize: 32000,
  intermediateSize: 11008,
  numKeyValueHeads: null,
  maxPositionEmbeddings: 2048,
  bosTokenId: 1,
  eosTokenIds: [2],
};

/** Reads a `config.json` of model_type llama; missing keys take the defaults of transformers. */
export function readLlamaConfig(fields: JsonFields): LlamaConfig {
  const layerTypes = fields.raw("layer_types");
  if (layerTypes !== undefined && !(Array.isArray(layerTypes) && layerTypes.every((t) => t === "full_attention"))) {
    throw fields.bad("layer_types", `a list of "full_attention", the only type supported for llama`);
  }
  return {
    ...readLlamaKin(fields, "llama", llamaDefaults),
    attentionBias: fields.boolean("attention_bias", false),
    mlpBias: fields.boolean("mlp_bias", false),
  };
}

/** Returns the `config.json` of a Llama model with the keys of transformers 4. */
export function llamaToHf(config: LlamaConfig): Record<string, unknown> {
  return { ...llamaKinToHf(config), attention_bias: config.attentionBias, mlp_bias: config.mlpBias };
}

/** Returns the keys of transformers 4 that the configs of Llama and its kin share. */
export function llamaKinToHf(config: LlamaKinConfig): Record<string, unknown> {
  return {
    attention_dropout: config.attentionDropout,
    bos_token_id: config.bosTokenId,
    eos_token_id: eosToHf(config.eosTokenIds),
    head_dim: config.headDim,
    hidden_act: config.hiddenAct,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    max_position_embeddings: config.maxPositionEmbeddings,
    num_attention_heads: config.numAttentionHeads,
    num_hidden_layers: config.numHiddenLayers,
    num_key_value_heads: config.numKeyValueHeads,
    pad_token_id: config.padTokenId,
    rms_norm_eps: config.rmsNormEps,
    ...ropeToHf(config.rope),
    tie_word_embeddings: config.tieWordEmbeddings,
    vocab_size: config.vocabSize,
  };
}
