import { type Activation, readActivation } from "./activation.ts";
import type { JsonFields } from "./jsonFields.ts";
import { type RopeConfig, readRope, ropeToHf } from "./ropeConfig.ts";
import { eosToHf } from "./tokenIds.ts";

/** The shape of a Llama model, named as in Hugging Face's LlamaConfig. */
export interface LlamaConfig {
  modelType: "llama";
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  numKeyValueHeads: number;
  headDim: number;
  hiddenAct: Activation;
  maxPositionEmbeddings: number;
  rmsNormEps: number;
  rope: RopeConfig;
  tieWordEmbeddings: boolean;
  attentionBias: boolean;
  mlpBias: boolean;
  bosTokenId: number | null;
  eosTokenIds: number[];
  padTokenId: number | null;
}

/** Reads a `config.json` of model_type llama; missing keys take the defaults of transformers. */
export function readLlamaConfig(fields: JsonFields): LlamaConfig {
  const hiddenSize = fields.integer("hidden_size", 4096);
  const numAttentionHeads = fields.integer("num_attention_heads", 32);
  const numKeyValueHeads = fields.integer("num_key_value_heads", numAttentionHeads);
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
  const layerTypes = fields.raw("layer_types");
  if (layerTypes !== undefined && !(Array.isArray(layerTypes) && layerTypes.every((t) => t === "full_attention"))) {
    throw fields.bad("layer_types", `a list of "full_attention", the only type supported for llama`);
  }
  return {
    modelType: "llama",
    vocabSize: fields.integer("vocab_size", 32000),
    hiddenSize,
    intermediateSize: fields.integer("intermediate_size", 11008),
    numHiddenLayers: fields.integer("num_hidden_layers", 32),
    numAttentionHeads,
    numKeyValueHeads,
    headDim,
    hiddenAct: readActivation(fields, "hidden_act", "silu"),
    maxPositionEmbeddings: fields.integer("max_position_embeddings", 2048),
    rmsNormEps: fields.number("rms_norm_eps", 1e-6),
    rope: readRope(fields),
    tieWordEmbeddings: fields.boolean("tie_word_embeddings", false),
    attentionBias: fields.boolean("attention_bias", false),
    mlpBias: fields.boolean("mlp_bias", false),
    bosTokenId: fields.tokenId("bos_token_id", 1),
    eosTokenIds: fields.tokenIds("eos_token_id", [2]),
    padTokenId: fields.tokenId("pad_token_id", null),
  };
}

/** The `config.json` of a Llama model with the keys of transformers 4. */
export function llamaToHf(config: LlamaConfig): Record<string, unknown> {
  return {
    architectures: ["LlamaForCausalLM"],
    attention_bias: config.attentionBias,
    attention_dropout: 0,
    bos_token_id: config.bosTokenId,
    eos_token_id: eosToHf(config.eosTokenIds),
    head_dim: config.headDim,
    hidden_act: config.hiddenAct,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    max_position_embeddings: config.maxPositionEmbeddings,
    mlp_bias: config.mlpBias,
    model_type: config.modelType,
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
