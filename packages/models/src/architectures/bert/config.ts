import { type Activation, type ArchitectureConfig, readActivation } from "../../config/architectureConfig.ts";
import type { JsonFields } from "../../config/jsonFields.ts";

/** The config of a BERT or RoBERTa model: the fields of Hugging Face's BertConfig in camelCase. */
export interface BertConfig extends ArchitectureConfig {
  padTokenId: number;
  hiddenSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  intermediateSize: number;
  hiddenAct: Activation;
  /** Dropout probability of the attention weights in training. */
  attentionProbsDropoutProb: number;
  hiddenDropoutProb: number;
  /** Dropout probability before the classifier; null to use `hiddenDropoutProb`. */
  classifierDropout: number | null;
  maxPositionEmbeddings: number;
  typeVocabSize: number;
  layerNormEps: number;
}

/** Defaults of transformers that differ between BERT and RoBERTa. */
interface BertDefaults {
  readonly vocabSize: number;
  readonly padTokenId: number;
}

/** Reads the `config.json` of a BERT or RoBERTa model. Missing keys take the defaults of transformers. */
export function readBertConfig(fields: JsonFields, modelType: string, defaults: BertDefaults): BertConfig {
  const hiddenSize = fields.size("hidden_size", 768);
  const numAttentionHeads = fields.size("num_attention_heads", 12);
  if (hiddenSize % numAttentionHeads !== 0) {
    throw fields.bad("num_attention_heads", `a divisor of hidden_size ${hiddenSize}`);
  }
  fields.oneOf("position_embedding_type", ["absolute"], "absolute");
  for (const key of ["is_decoder", "add_cross_attention"]) {
    if (fields.boolean(key, false)) throw fields.bad(key, "false: an encoder is supported");
  }
  return {
    modelType,
    vocabSize: fields.size("vocab_size", defaults.vocabSize),
    hiddenSize,
    numHiddenLayers: fields.layers("num_hidden_layers", 12),
    numAttentionHeads,
    intermediateSize: fields.size("intermediate_size", 3072),
    hiddenAct: readActivation(fields, "hidden_act", "gelu"),
    attentionProbsDropoutProb: fields.probability("attention_probs_dropout_prob", 0.1),
    hiddenDropoutProb: fields.probability("hidden_dropout_prob", 0.1),
    classifierDropout: fields.raw("classifier_dropout") === undefined ? null : fields.probability("classifier_dropout"),
    maxPositionEmbeddings: fields.size("max_position_embeddings", 512),
    typeVocabSize: fields.size("type_vocab_size", 2),
    layerNormEps: fields.epsilon("layer_norm_eps", 1e-12),
    padTokenId: fields.tokenId("pad_token_id", defaults.padTokenId) ?? 0,
  };
}

/** Returns the `config.json` of a BERT or RoBERTa model, with the keys of transformers 4. */
export function bertToHf(config: BertConfig): Record<string, unknown> {
  return {
    attention_probs_dropout_prob: config.attentionProbsDropoutProb,
    classifier_dropout: config.classifierDropout,
    hidden_act: config.hiddenAct,
    hidden_dropout_prob: config.hiddenDropoutProb,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    layer_norm_eps: config.layerNormEps,
    max_position_embeddings: config.maxPositionEmbeddings,
    num_attention_heads: config.numAttentionHeads,
    num_hidden_layers: config.numHiddenLayers,
    pad_token_id: config.padTokenId,
    position_embedding_type: "absolute",
    type_vocab_size: config.typeVocabSize,
    vocab_size: config.vocabSize,
  };
}
