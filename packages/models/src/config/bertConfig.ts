import { type Activation, readActivation } from "./activation.ts";
import { type ClassifierHead, classifierHeadToHf, readClassifierHead } from "./classifierHead.ts";
import type { JsonFields } from "./jsonFields.ts";

/** The shape of a BERT or RoBERTa that classifies sequences, named as in Hugging Face's BertConfig. */
export interface BertConfig extends ClassifierHead {
  modelType: "bert" | "roberta";
  vocabSize: number;
  hiddenSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  intermediateSize: number;
  hiddenAct: Activation;
  hiddenDropoutProb: number;
  /** Before the classifier; null: as `hiddenDropoutProb`. */
  classifierDropout: number | null;
  maxPositionEmbeddings: number;
  typeVocabSize: number;
  layerNormEps: number;
  padTokenId: number;
}

/** Reads a `config.json` of model_type bert or roberta; missing keys take the defaults of transformers. */
export function readBertConfig(fields: JsonFields, modelType: "bert" | "roberta"): BertConfig {
  const hiddenSize = fields.integer("hidden_size", 768);
  const numAttentionHeads = fields.integer("num_attention_heads", 12);
  if (hiddenSize % numAttentionHeads !== 0) {
    throw fields.bad("num_attention_heads", `a divisor of hidden_size ${hiddenSize}`);
  }
  fields.oneOf("position_embedding_type", ["absolute"], "absolute");
  for (const key of ["is_decoder", "add_cross_attention"]) {
    if (fields.boolean(key, false)) throw fields.bad(key, "false: an encoder is supported");
  }
  const roberta = modelType === "roberta";
  return {
    modelType,
    vocabSize: fields.integer("vocab_size", roberta ? 50265 : 30522),
    hiddenSize,
    numHiddenLayers: fields.integer("num_hidden_layers", 12),
    numAttentionHeads,
    intermediateSize: fields.integer("intermediate_size", 3072),
    hiddenAct: readActivation(fields, "hidden_act", "gelu"),
    hiddenDropoutProb: fields.probability("hidden_dropout_prob", 0.1),
    classifierDropout: fields.raw("classifier_dropout") === undefined ? null : fields.probability("classifier_dropout"),
    maxPositionEmbeddings: fields.integer("max_position_embeddings", 512),
    typeVocabSize: fields.integer("type_vocab_size", 2),
    layerNormEps: fields.number("layer_norm_eps", 1e-12),
    padTokenId: fields.tokenId("pad_token_id", roberta ? 1 : 0) ?? 0,
    ...readClassifierHead(fields),
  };
}

/** The `config.json` of a BERT or RoBERTa with the keys of transformers 4. */
export function bertToHf(config: BertConfig): Record<string, unknown> {
  return {
    architectures: [config.modelType === "bert" ? "BertForSequenceClassification" : "RobertaForSequenceClassification"],
    classifier_dropout: config.classifierDropout,
    hidden_act: config.hiddenAct,
    hidden_dropout_prob: config.hiddenDropoutProb,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    layer_norm_eps: config.layerNormEps,
    max_position_embeddings: config.maxPositionEmbeddings,
    model_type: config.modelType,
    num_attention_heads: config.numAttentionHeads,
    num_hidden_layers: config.numHiddenLayers,
    pad_token_id: config.padTokenId,
    position_embedding_type: "absolute",
    type_vocab_size: config.typeVocabSize,
    vocab_size: config.vocabSize,
    ...classifierHeadToHf(config),
  };
}
