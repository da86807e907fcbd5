import { add, arange, cat, reshape, scope, slice, type Tensor, tanh, zeros } from "@lowrank/core";
import {
  type Attend,
  AttentionLayer,
  type Dropout,
  Module,
  ModuleList,
  Residual,
  type UnaryModule,
  type VirtualTokens,
} from "@lowrank/nn";
import { linearLayer } from "@lowrank/nn/internal";
import type { ClassifierHead } from "../../config/classifierHead.ts";
import { activate } from "../../layers/activation.ts";
import { layerNorm } from "../../layers/layerNorm.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { EncoderTokenClassifier } from "../../model/encoderTokenClassifier.ts";
import { ParameterPath, type ParameterSource } from "../../model/parameters.ts";
import { PromptedBatch } from "../../model/promptedBatch.ts";
import { forgets, runBlocks } from "../../model/runBlocks.ts";
import { type ClassifierInputs, SequenceClassifier } from "../../model/sequenceClassifier.ts";
import { type DefaultTargets, type ModelSizes, TransformerModel } from "../../model/transformerModel.ts";
import { type BertConfig, bertToHf, readBertConfig } from "./config.ts";

// B batch, T tokens, D hidden size, d head size.

/** Settings for the position ids of tokens, in which BERT and RoBERTa differ. */
export interface BertPositions {
  /** The row of the position table for the first token. */
  first: number;
  /** The row of the position table for padding tokens, which is not trained; null if there is none. */
  padding: number | null;
  /**
   * Returns position ids for a batch without `positionIds`. Returns null if the position of each token is its index in
   * the sequence.
   */
  of(inputs: ClassifierInputs): Tensor | null;
}

class BertEmbeddings extends Module {
  word_embeddings: UnaryModule;
  position_embeddings: UnaryModule;
  token_type_embeddings: UnaryModule;
  LayerNorm: UnaryModule;
  dropout: UnaryModule;
  readonly #positions: BertPositions;

  constructor(path: ParameterPath, config: BertConfig, positions: BertPositions) {
    super();
    const { vocabSize, hiddenSize, maxPositionEmbeddings, typeVocabSize, layerNormEps } = config;
    this.word_embeddings = path.embedding("word_embeddings", vocabSize, hiddenSize, config.padTokenId);
    this.position_embeddings = path.embedding(
      "position_embeddings",
      maxPositionEmbeddings,
      hiddenSize,
      positions.padding,
    );
    this.token_type_embeddings = path.embedding("token_type_embeddings", typeVocabSize, hiddenSize);
    this.LayerNorm = layerNorm(path, "LayerNorm", hiddenSize, layerNormEps);
    this.dropout = path.dropout("dropout", config.hiddenDropoutProb);
    this.#positions = positions;
  }

  forward(inputs: ClassifierInputs, batch: PromptedBatch): Tensor {
    const words = batch.embed(this.word_embeddings.forward(inputs.inputIds));
    const [B, T] = words.shape;
    const start = this.#positions.first + batch.offset;
    const positions = batch.positionIds() ?? arange(start, start + T);
    const types = this.token_type_embeddings.forward(tokenTypes(inputs, B, T));
    return this.dropout.forward(
      this.LayerNorm.forward(add(add(words, types), this.position_embeddings.forward(positions))),
    );
  }
}

/** Returns the segment (0 or 1) of each token, i32 [B, T]. Virtual tokens belong to segment 0. */
export function tokenTypes({ tokenTypeIds }: ClassifierInputs, B: number, T: number): Tensor {
  if (!tokenTypeIds) return zeros([B, T], { dtype: "i32" });
  const virtual = T - tokenTypeIds.shape[1];
  return virtual === 0 ? tokenTypeIds : cat([zeros([B, virtual], { dtype: "i32" }), tokenTypeIds], { dim: 1 });
}

class BertSelfAttention extends AttentionLayer {
  query: UnaryModule;
  key: UnaryModule;
  value: UnaryModule;
  dropout: Dropout;
  readonly #headDim: number;

  constructor(path: ParameterPath, config: BertConfig) {
    super();
    const { hiddenSize, numAttentionHeads, attentionProbsDropoutProb } = config;
    this.query = path.linear("query", hiddenSize, hiddenSize, true);
    this.key = path.linear("key", hiddenSize, hiddenSize, true);
    this.value = path.linear("value", hiddenSize, hiddenSize, true);
    this.dropout = path.dropout("dropout", attentionProbsDropoutProb);
    this.#headDim = hiddenSize / numAttentionHeads;
  }

  forward(x: Tensor, layer: number, attend: Attend): Tensor {
    const [B, T, D] = x.shape;
    const [q, k, v] = [this.query, this.key, this.value].map((projection) =>
      reshape(projection.forward(x), [B, T, D / this.#headDim, this.#headDim]),
    );
    const options = { scale: this.#headDim ** -0.5, ...this.dropout.ofAttention() };
    return reshape(attend(layer, q, k, v, options), [B, T, D]);
  }
}

/** A linear layer with dropout, followed by the residual connection and LayerNorm. */
export class BertOutput extends Module {
  dense: UnaryModule;
  dropout: UnaryModule;
  residual: Residual;
  LayerNorm: UnaryModule;

  constructor(
    path: ParameterPath,
    inFeatures: number,
    {
      hiddenSize,
      hiddenDropoutProb,
      layerNormEps,
    }: Pick<BertConfig, "hiddenSize" | "hiddenDropoutProb" | "layerNormEps">,
  ) {
    super();
    this.dense = path.linear("dense", inFeatures, hiddenSize, true);
    this.dropout = path.dropout("dropout", hiddenDropoutProb);
    this.residual = new Residual();
    this.LayerNorm = layerNorm(path, "LayerNorm", hiddenSize, layerNormEps);
  }

  forward(x: Tensor, before: Tensor): Tensor {
    return this.residual.forward(this.dropout.forward(this.dense.forward(x)), before, this.LayerNorm);
  }
}

class BertAttention extends Module {
  self: BertSelfAttention;
  output: BertOutput;

  constructor(path: ParameterPath, config: BertConfig) {
    super();
    this.self = new BertSelfAttention(path.at("self"), config);
    this.output = new BertOutput(path.at("output"), config.hiddenSize, config);
  }
}

/** The first linear layer of a feed-forward block. */
export class BertIntermediate extends Module {
  dense: UnaryModule;

  constructor(
    path: ParameterPath,
    { hiddenSize, intermediateSize }: Pick<BertConfig, "hiddenSize" | "intermediateSize">,
  ) {
    super();
    this.dense = path.linear("dense", hiddenSize, intermediateSize, true);
  }
}

class BertLayer extends Module {
  attention: BertAttention;
  intermediate: BertIntermediate;
  output: BertOutput;
  readonly #config: BertConfig;

  constructor(path: ParameterPath, config: BertConfig) {
    super();
    this.attention = new BertAttention(path.at("attention"), config);
    this.intermediate = new BertIntermediate(path.at("intermediate"), config);
    this.output = new BertOutput(path.at("output"), config.intermediateSize, config);
    this.#config = config;
  }

  forward(x: Tensor, layer: number, attend: Attend): Tensor {
    return scope(() => {
      const h = this.attention.output.forward(this.attention.self.forward(x, layer, attend), x);
      const wide = activate(this.#config.hiddenAct, this.intermediate.dense.forward(h));
      return this.output.forward(wide, h);
    });
  }
}

class BertEncoder extends Module {
  layer: ModuleList<BertLayer>;

  constructor(path: ParameterPath, config: BertConfig) {
    super();
    const indices = Array.from({ length: config.numHiddenLayers }, (_, i) => i);
    this.layer = new ModuleList(indices.map((i) => new BertLayer(path.at(`layer.${i}`), config)));
  }
}

class BertPooler extends Module {
  dense: UnaryModule;

  constructor(path: ParameterPath, { hiddenSize }: BertConfig) {
    super();
    this.dense = path.linear("dense", hiddenSize, hiddenSize, true);
  }

  /** Pools hidden states [B, T, D] to one vector per sequence [B, D]. */
  forward(hidden: Tensor): Tensor {
    return tanh(this.dense.forward(firstRow(hidden)));
  }
}

/** Returns the hidden state of each sequence's first token: [B, T, D] to [B, D]. */
export function firstRow(hidden: Tensor): Tensor {
  return reshape(slice(hidden, { dim: 1, start: 0, end: 1 }), [hidden.shape[0], hidden.shape[2]]);
}

/** The options of `BertModel`. */
interface BertOptions {
  positions: BertPositions;
  pooler: boolean;
}

/** BERT without a head, like transformers' BertModel. The option `pooler` adds the pooling layer. */
export class BertModel extends TransformerModel {
  readonly config: BertConfig;
  embeddings: BertEmbeddings;
  encoder: BertEncoder;
  pooler?: BertPooler;
  readonly #positions: BertPositions;

  constructor(path: ParameterPath, config: BertConfig, options: BertOptions) {
    super(bertSizes(config, options.positions.first));
    this.config = config;
    this.embeddings = new BertEmbeddings(path.at("embeddings"), config, options.positions);
    this.encoder = new BertEncoder(path.at("encoder"), config);
    if (options.pooler) this.pooler = new BertPooler(path.at("pooler"), config);
    this.#positions = options.positions;
  }

  /**
   * Returns the final hidden states [B, P + T, D] of P virtual tokens (from prompt tuning) and the T tokens of the
   * input. `virtualTokens` defaults to the virtual tokens that are set on this module. A model with a classification
   * head passes its own virtual tokens instead.
   */
  forward(
    inputs: ClassifierInputs,
    virtualTokens: VirtualTokens | null = this.virtualTokens,
    checkpointing: boolean = this.gradientCheckpointing,
  ): Tensor {
    return scope(() => {
      const embeddings = virtualTokens?.kind === "embeddings";
      const positionIds = inputs.positionIds ?? (embeddings ? null : this.#positions.of(inputs));
      const batch = new PromptedBatch({ ...inputs, positionIds }, virtualTokens);
      const x = this.embeddings.forward(inputs, batch);
      const forget = forgets(this, checkpointing);
      return runBlocks(this.encoder.layer, x, batch, { forget }, (attend) => (block, h, layer) => {
        return block.forward(h, layer, attend);
      });
    });
  }
}

/** BERT's positions: each token's index. */
const byIndex: BertPositions = { first: 0, padding: null, of: () => null };

/**
 * Returns the model's name for a tensor in a checkpoint. Old checkpoints name the weight and bias of a norm `gamma` and
 * `beta`, as TensorFlow does. Returns null for `position_ids`, which some checkpoints store but the model does not use.
 */
export function sanitizeBert(name: string): string | null {
  if (name.endsWith("embeddings.position_ids")) return null;
  return name.replace(/LayerNorm\.gamma$/, "LayerNorm.weight").replace(/LayerNorm\.beta$/, "LayerNorm.bias");
}

/** The default target layers of adapters in a BERT model. */
export const bertTargets: DefaultTargets = { linear: ["query", "value"] };

/**
 * Returns the sizes of a BERT model. The first `firstPosition` rows of its position table are reserved, so they do not
 * count as positions.
 */
export function bertSizes(config: BertConfig, firstPosition: number): ModelSizes {
  const { vocabSize, hiddenSize, numHiddenLayers, numAttentionHeads: heads, maxPositionEmbeddings } = config;
  const attention = { attentionHeads: heads, keyValueHeads: heads, headDim: hiddenSize / heads };
  return {
    vocabSize,
    maxPositions: maxPositionEmbeddings - firstPosition,
    attentionSizes: { hiddenSize, layers: numHiddenLayers, ...attention },
  };
}

/**
 * BERT that classifies sequences, like transformers' BertForSequenceClassification. Devlin et al. 2018,
 * arXiv:1810.04805.
 */
export class BertForSequenceClassification extends SequenceClassifier {
  readonly config: BertConfig & ClassifierHead;
  bert: BertModel;
  dropout: UnaryModule;
  classifier: UnaryModule;

  constructor(config: BertConfig & ClassifierHead, source: ParameterSource) {
    super(bertSizes(config, 0));
    const { hiddenSize, labels, classifierDropout, hiddenDropoutProb } = config;
    this.config = config;
    this.bert = new BertModel(new ParameterPath(source, "bert"), config, { positions: byIndex, pooler: true });
    this.dropout = new ParameterPath(source, "").dropout("dropout", classifierDropout ?? hiddenDropoutProb);
    const weight = source("classifier.weight", [labels.length, hiddenSize], { std: 0.02 });
    this.classifier = linearLayer(weight, source("classifier.bias", [labels.length], { value: 0 }));
  }

  hidden(inputs: ClassifierInputs): Tensor {
    return this.bert.forward(inputs, this.virtualTokens, this.gradientCheckpointing);
  }

  logits(inputs: ClassifierInputs): Tensor {
    return this.classifier.forward(this.dropout.forward(this.bert.pooler!.forward(this.hidden(inputs))));
  }

  get logitsLayer(): Module {
    return this.classifier;
  }
}

/**
 * Returns two settings of a token classification head: the hidden size, and the dropout probability before the linear
 * layer.
 */
export function tokenHeadOf({ hiddenSize, classifierDropout, hiddenDropoutProb }: BertConfig): {
  width: number;
  dropout: number;
} {
  return { width: hiddenSize, dropout: classifierDropout ?? hiddenDropoutProb };
}

/** BERT that classifies tokens, like transformers' BertForTokenClassification. */
export class BertForTokenClassification extends EncoderTokenClassifier<BertConfig> {
  bert: BertModel;

  constructor(config: BertConfig & ClassifierHead, source: ParameterSource) {
    super(config, source, { sizes: bertSizes(config, 0), ...tokenHeadOf(config) });
    this.bert = new BertModel(new ParameterPath(source, "bert"), config, { positions: byIndex, pooler: false });
  }

  protected get stack(): BertModel {
    return this.bert;
  }
}

/**
 * Returns the config keys of a published BERT-style encoder. `hidden` is the hidden size; each attention head has size
 * 64. `more` contains further keys.
 */
export function encoderPreset(hidden: number, layers: number, more: object): Record<string, unknown> {
  return {
    hidden_size: hidden,
    intermediate_size: 4 * hidden,
    num_hidden_layers: layers,
    num_attention_heads: hidden / 64,
    ...more,
  };
}

const preset = { architectures: ["BertModel"] };

/** The architecture of BERT. */
export const bert: Architecture<BertConfig> = defineArchitecture({
  modelType: "bert",
  readConfig: (fields) => readBertConfig(fields, "bert", { vocabSize: 30522, padTokenId: 0 }),
  writeConfig: bertToHf,
  create: (config, source) =>
    new BertModel(new ParameterPath(source, ""), config, { positions: byIndex, pooler: true }),
  heads: {
    sequenceClassification: {
      className: "BertForSequenceClassification",
      module: "classifier",
      create: (config, source) => new BertForSequenceClassification(config, source),
    },
    tokenClassification: {
      className: "BertForTokenClassification",
      module: "classifier",
      create: (config, source) => new BertForTokenClassification(config, source),
    },
  },
  stack: "bert",
  sanitize: sanitizeBert,
  defaultTargets: bertTargets,
  // Devlin et al. 2019, arXiv:1810.04805.
  presets: { "bert-base": encoderPreset(768, 12, preset), "bert-large": encoderPreset(1024, 24, preset) },
});
