import { type Activation, eosToHf, type ModelConfig, readActivation } from "../../config/architectureConfig.ts";
import type { JsonFields } from "../../config/jsonFields.ts";
import { type RopeConfig, type RopeDefaults, readRope, ropeToHf } from "../../rope/ropeConfig.ts";

/** The config fields that Llama-style decoders share, with the names of Hugging Face's LlamaConfig in camelCase. */
export interface DecoderConfig extends ModelConfig {
  hiddenSize: number;
  intermediateSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  numKeyValueHeads: number;
  headDim: number;
  hiddenAct: Activation;
  maxPositionEmbeddings: number;
  /** Dropout probability of the attention weights in training. */
  attentionDropout: number;
  rope: RopeConfig;
}

/** The config fields that Llama-style decoders with RMSNorm share. */
export interface LlamaFamilyConfig extends DecoderConfig {
  rmsNormEps: number;
}

/** The config of a Llama model: the fields of Hugging Face's LlamaConfig in camelCase. */
export interface LlamaConfig extends LlamaFamilyConfig {
  modelType: "llama";
  attentionBias: boolean;
  mlpBias: boolean;
}

/**
 * Defaults of transformers that differ between Llama-style architectures. If an architecture does not set a field, the
 * default in the field's comment applies.
 */
export interface FamilyDefaults {
  readonly vocabSize: number;
  /** Default 4096. */
  readonly hiddenSize?: number;
  readonly intermediateSize: number;
  /** Default 32. */
  readonly numHiddenLayers?: number;
  /** Default 32. */
  readonly numAttentionHeads?: number;
  /** Number of key and value heads. Null: the number of query heads. */
  readonly numKeyValueHeads: number | null;
  /** Default: hidden size / number of attention heads. */
  readonly headDim?: number;
  /**
   * True to ignore `num_key_value_heads` and `head_dim` in a config: every query head then has its own key and value
   * head, and the head size is hidden size / number of heads. Default false.
   */
  readonly plainHeads?: boolean;
  /** The config key that names the activation. Default "hidden_act". */
  readonly activationKey?: string;
  /** Default "silu". */
  readonly hiddenAct?: Activation;
  readonly maxPositionEmbeddings: number;
  /** Default 1e-6. */
  readonly rmsNormEps?: number;
  /** Default false. */
  readonly tieWordEmbeddings?: boolean;
  readonly bosTokenId: number | null;
  readonly eosTokenIds: readonly number[];
  /** Default null. */
  readonly padTokenId?: number | null;
  /** Defaults of the rotary embedding. */
  readonly rope?: RopeDefaults;
}

/**
 * Reads the fields that Llama-style decoders share. Missing keys take the defaults of transformers. Throws if the sizes
 * do not fit each other or a head has an odd size.
 */
export function readDecoder<T extends string>(
  fields: JsonFields,
  modelType: T,
  defaults: FamilyDefaults,
): DecoderConfig & { modelType: T } {
  const hiddenSize = fields.size("hidden_size", defaults.hiddenSize ?? 4096);
  const numAttentionHeads = fields.size("num_attention_heads", defaults.numAttentionHeads ?? 32);
  const numKeyValueHeads = defaults.plainHeads
    ? numAttentionHeads
    : fields.size("num_key_value_heads", defaults.numKeyValueHeads ?? numAttentionHeads);
  if (numAttentionHeads % numKeyValueHeads !== 0) {
    throw fields.bad("num_key_value_heads", `a divisor of num_attention_heads ${numAttentionHeads}`);
  }
  const usualHead = defaults.headDim ?? hiddenSize / numAttentionHeads;
  const plain = defaults.plainHeads || fields.raw("head_dim") === undefined;
  if (plain && !Number.isInteger(usualHead)) {
    throw fields.bad("hidden_size", `a multiple of num_attention_heads ${numAttentionHeads} without head_dim`);
  }
  const headDim = plain ? usualHead : fields.size("head_dim");
  if (headDim % 2 !== 0) {
    throw new Error(`${fields.where}: a head has ${headDim} entries; rotary embedding needs an even number`);
  }
  const maxPositionEmbeddings = fields.size("max_position_embeddings", defaults.maxPositionEmbeddings);
  const { activationKey = "hidden_act", hiddenAct = "silu" } = defaults;
  return {
    modelType,
    vocabSize: fields.size("vocab_size", defaults.vocabSize),
    hiddenSize,
    intermediateSize: fields.size("intermediate_size", defaults.intermediateSize),
    numHiddenLayers: fields.layers("num_hidden_layers", defaults.numHiddenLayers ?? 32),
    numAttentionHeads,
    numKeyValueHeads,
    headDim,
    hiddenAct: readActivation(fields, activationKey, hiddenAct),
    maxPositionEmbeddings,
    attentionDropout: fields.probability("attention_dropout", 0),
    rope: readRope(fields, { headDim, maxPositionEmbeddings, ...defaults.rope }),
    tieWordEmbeddings: fields.boolean("tie_word_embeddings", defaults.tieWordEmbeddings ?? false),
    bosTokenId: fields.tokenId("bos_token_id", defaults.bosTokenId),
    eosTokenIds: fields.tokenIds("eos_token_id", defaults.eosTokenIds),
    padTokenId: fields.tokenId("pad_token_id", defaults.padTokenId ?? null),
  };
}

/** Reads the fields that Llama-style decoders with RMSNorm share. */
export function readLlamaFamily<T extends string>(
  fields: JsonFields,
  modelType: T,
  defaults: FamilyDefaults,
): LlamaFamilyConfig & { modelType: T } {
  const rmsNormEps = fields.epsilon("rms_norm_eps", defaults.rmsNormEps ?? 1e-6);
  return { ...readDecoder(fields, modelType, defaults), rmsNormEps };
}

const llamaDefaults: FamilyDefaults = {
  vocabSize: 32000,
  intermediateSize: 11008,
  numKeyValueHeads: null,
  maxPositionEmbeddings: 2048,
  bosTokenId: 1,
  eosTokenIds: [2],
};

/** Reads the `config.json` of a model with `model_type` "llama". Missing keys take the defaults of transformers. */
export function readLlamaConfig(fields: JsonFields): LlamaConfig {
  const layerTypes = fields.raw("layer_types");
  if (layerTypes !== undefined && !(Array.isArray(layerTypes) && layerTypes.every((t) => t === "full_attention"))) {
    throw fields.bad("layer_types", `a list of "full_attention", the only type supported for llama`);
  }
  return {
    ...readLlamaFamily(fields, "llama", llamaDefaults),
    attentionBias: fields.boolean("attention_bias", false),
    mlpBias: fields.boolean("mlp_bias", false),
  };
}

/** Returns the `config.json` of a Llama model, with the keys of transformers 4. */
export function llamaToHf(config: LlamaConfig): Record<string, unknown> {
  return { ...llamaFamilyToHf(config), attention_bias: config.attentionBias, mlp_bias: config.mlpBias };
}

/** Returns the `config.json` keys of transformers 4 that Llama-style decoders with RMSNorm share. */
export function llamaFamilyToHf(config: LlamaFamilyConfig): Record<string, unknown> {
  return { ...decoderToHf(config), rms_norm_eps: config.rmsNormEps };
}

/**
 * Returns the `config.json` keys of transformers 4 that Llama-style decoders share. `activationKey` is the key for the
 * activation, default "hidden_act".
 */
export function decoderToHf(config: DecoderConfig, activationKey = "hidden_act"): Record<string, unknown> {
  return {
    attention_dropout: config.attentionDropout,
    bos_token_id: config.bosTokenId,
    eos_token_id: eosToHf(config.eosTokenIds),
    head_dim: config.headDim,
    [activationKey]: config.hiddenAct,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    max_position_embeddings: config.maxPositionEmbeddings,
    num_attention_heads: config.numAttentionHeads,
    num_hidden_layers: config.numHiddenLayers,
    num_key_value_heads: config.numKeyValueHeads,
    pad_token_id: config.padTokenId,
    ...ropeToHf(config.rope),
    tie_word_embeddings: config.tieWordEmbeddings,
    vocab_size: config.vocabSize,
  };
}
