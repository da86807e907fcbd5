import { type Activation, eosToHf, type ModelConfig, readActivation } from "../../config/architectureConfig.ts";
import type { JsonFields } from "../../config/jsonFields.ts";

/** The config of a GPT-2 model: the fields of Hugging Face's GPT2Config in camelCase. */
export interface GPT2Config extends ModelConfig {
  modelType: "gpt2";
  nPositions: number;
  nEmbd: number;
  nLayer: number;
  nHead: number;
  /** Width of the MLP. Default, also for null: 4 * nEmbd. */
  nInner: number;
  /** True if config.json sets `n_inner`. The width then stays in a config with another `n_embd`. */
  setsInner: boolean;
  activationFunction: Activation;
  layerNormEpsilon: number;
  scaleAttnWeights: boolean;
  scaleAttnByInverseLayerIdx: boolean;
  attnPdrop: number;
  embdPdrop: number;
  residPdrop: number;
}

/** Reads a `config.json` with `model_type` "gpt2". Missing keys take the defaults of transformers. */
export function readGPT2Config(fields: JsonFields): GPT2Config {
  const nEmbd = fields.size("n_embd", 768);
  const nHead = fields.size("n_head", 12);
  if (nEmbd % nHead !== 0) throw fields.bad("n_head", `a divisor of n_embd ${nEmbd}`);
  if (fields.boolean("add_cross_attention", false)) {
    throw fields.bad("add_cross_attention", "false, since cross-attention is not supported");
  }
  return {
    modelType: "gpt2",
    vocabSize: fields.size("vocab_size", 50257),
    nPositions: fields.size("n_positions", 1024),
    nEmbd,
    nLayer: fields.layers("n_layer", 12),
    nHead,
    nInner: fields.size("n_inner", 4 * nEmbd),
    setsInner: fields.raw("n_inner") !== undefined,
    activationFunction: readActivation(fields, "activation_function", "gelu_new"),
    layerNormEpsilon: fields.epsilon("layer_norm_epsilon", 1e-5),
    scaleAttnWeights: fields.boolean("scale_attn_weights", true),
    scaleAttnByInverseLayerIdx: fields.boolean("scale_attn_by_inverse_layer_idx", false),
    tieWordEmbeddings: fields.boolean("tie_word_embeddings", true),
    attnPdrop: fields.probability("attn_pdrop", 0.1),
    embdPdrop: fields.probability("embd_pdrop", 0.1),
    residPdrop: fields.probability("resid_pdrop", 0.1),
    bosTokenId: fields.tokenId("bos_token_id", 50256),
    eosTokenIds: fields.tokenIds("eos_token_id", [50256]),
    padTokenId: fields.tokenId("pad_token_id", null),
  };
}

/** Returns the `config.json` of a GPT-2 model with the keys of transformers 4. */
export function gpt2ToHf(config: GPT2Config): Record<string, unknown> {
  return {
    activation_function: config.activationFunction,
    attn_pdrop: config.attnPdrop,
    bos_token_id: config.bosTokenId,
    embd_pdrop: config.embdPdrop,
    eos_token_id: eosToHf(config.eosTokenIds),
    layer_norm_epsilon: config.layerNormEpsilon,
    n_embd: config.nEmbd,
    n_head: config.nHead,
    n_inner: config.setsInner || config.nInner !== 4 * config.nEmbd ? config.nInner : null,
    n_layer: config.nLayer,
    n_positions: config.nPositions,
    pad_token_id: config.padTokenId,
    resid_pdrop: config.residPdrop,
    scale_attn_by_inverse_layer_idx: config.scaleAttnByInverseLayerIdx,
    scale_attn_weights: config.scaleAttnWeights,
    tie_word_embeddings: config.tieWordEmbeddings,
    vocab_size: config.vocabSize,
  };
}
