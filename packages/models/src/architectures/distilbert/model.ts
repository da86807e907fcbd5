import { add, arange, relu, reshape, scope, type Tensor } from "@lowrank/core";
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
import { type Activation, type ArchitectureConfig, readActivation } from "../../config/architectureConfig.ts";
import type { ClassifierHead } from "../../config/classifierHead.ts";
import type { JsonFields } from "../../config/jsonFields.ts";
import { activate } from "../../layers/activation.ts";
import { layerNorm } from "../../layers/layerNorm.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { EncoderTokenClassifier } from "../../model/encoderTokenClassifier.ts";
import { ParameterPath, type ParameterSource } from "../../model/parameters.ts";
import { PromptedBatch } from "../../model/promptedBatch.ts";
import { forgets, runBlocks } from "../../model/runBlocks.ts";
import { type ClassifierInputs, SequenceClassifier } from "../../model/sequenceClassifier.ts";
import { type ModelSizes, TransformerModel } from "../../model/transformerModel.ts";
import { firstRow, sanitizeBert } from "../bert/model.ts";

// B batch, T tokens, D hidden size, d head size.

const layerNormEps = 1e-12;

/** The config of a DistilBERT model: the fields of Hugging Face's DistilBertConfig in camelCase. */
interface DistilBertConfig extends ArchitectureConfig {
  modelType: "distilbert";
  padTokenId: number;
  dim: number;
  hiddenDim: number;
  nLayers: number;
  nHeads: number;
  activation: Activation;
  maxPositionEmbeddings: number;
  dropout: number;
  attentionDropout: number;
  seqClassifDropout: number;
}

function readConfig(fields: JsonFields): DistilBertConfig {
  const dim = fields.size("dim", 768);
  const nHeads = fields.size("n_heads", 12);
  if (dim % nHeads !== 0) throw fields.bad("n_heads", `a divisor of dim ${dim}`);
  return {
    modelType: "distilbert",
    vocabSize: fields.size("vocab_size", 30522),
    padTokenId: fields.tokenId("pad_token_id", 0) ?? 0,
    dim,
    hiddenDim: fields.size("hidden_dim", 3072),
    nLayers: fields.layers("n_layers", 6),
    nHeads,
    activation: readActivation(fields, "activation", "gelu"),
    maxPositionEmbeddings: fields.size("max_position_embeddings", 512),
    dropout: fields.probability("dropout", 0.1),
    attentionDropout: fields.probability("attention_dropout", 0.1),
    seqClassifDropout: fields.probability("seq_classif_dropout", 0.2),
  };
}

class DistilBertEmbeddings extends Module {
  word_embeddings: UnaryModule;
  position_embeddings: UnaryModule;
  LayerNorm: UnaryModule;
  dropout: UnaryModule;

  constructor(path: ParameterPath, { vocabSize, dim, padTokenId, maxPositionEmbeddings, dropout }: DistilBertConfig) {
    super();
    this.word_embeddings = path.embedding("word_embeddings", vocabSize, dim, padTokenId);
    this.position_embeddings = path.embedding("position_embeddings", maxPositionEmbeddings, dim);
    this.LayerNorm = layerNorm(path, "LayerNorm", dim, layerNormEps);
    this.dropout = path.dropout("dropout", dropout);
  }

  forward({ inputIds }: ClassifierInputs, batch: PromptedBatch): Tensor {
    const words = batch.embed(this.word_embeddings.forward(inputIds));
    const positions = batch.positionIds() ?? arange(batch.offset, batch.offset + words.shape[1]);
    return this.dropout.forward(this.LayerNorm.forward(add(words, this.position_embeddings.forward(positions))));
  }
}

class DistilBertAttention extends AttentionLayer {
  q_lin: UnaryModule;
  k_lin: UnaryModule;
  v_lin: UnaryModule;
  out_lin: UnaryModule;
  dropout: Dropout;
  readonly #headDim: number;

  constructor(path: ParameterPath, { dim, nHeads, attentionDropout }: DistilBertConfig) {
    super();
    this.q_lin = path.linear("q_lin", dim, dim, true);
    this.k_lin = path.linear("k_lin", dim, dim, true);
    this.v_lin = path.linear("v_lin", dim, dim, true);
    this.out_lin = path.linear("out_lin", dim, dim, true);
    this.dropout = path.dropout("dropout", attentionDropout);
    this.#headDim = dim / nHeads;
  }

  forward(x: Tensor, layer: number, attend: Attend): Tensor {
    const [B, T, D] = x.shape;
    const [q, k, v] = [this.q_lin, this.k_lin, this.v_lin].map((projection) =>
      reshape(projection.forward(x), [B, T, D / this.#headDim, this.#headDim]),
    );
    const options = { scale: this.#headDim ** -0.5, ...this.dropout.ofAttention() };
    return this.out_lin.forward(reshape(attend(layer, q, k, v, options), [B, T, D]));
  }
}

class DistilBertFFN extends Module {
  lin1: UnaryModule;
  lin2: UnaryModule;
  dropout: UnaryModule;
  readonly #activation: Activation;

  constructor(path: ParameterPath, { dim, hiddenDim, activation, dropout }: DistilBertConfig) {
    super();
    this.lin1 = path.linear("lin1", dim, hiddenDim, true);
    this.lin2 = path.linear("lin2", hiddenDim, dim, true);
    this.dropout = path.dropout("dropout", dropout);
    this.#activation = activation;
  }

  forward(x: Tensor): Tensor {
    return this.dropout.forward(this.lin2.forward(activate(this.#activation, this.lin1.forward(x))));
  }
}

class DistilBertBlock extends Module {
  attention: DistilBertAttention;
  sa_layer_norm: UnaryModule;
  ffn: DistilBertFFN;
  output_layer_norm: UnaryModule;
  attention_residual: Residual;
  ffn_residual: Residual;

  constructor(path: ParameterPath, config: DistilBertConfig) {
    super();
    this.attention = new DistilBertAttention(path.at("attention"), config);
    this.sa_layer_norm = layerNorm(path, "sa_layer_norm", config.dim, layerNormEps);
    this.ffn = new DistilBertFFN(path.at("ffn"), config);
    this.output_layer_norm = layerNorm(path, "output_layer_norm", config.dim, layerNormEps);
    this.attention_residual = new Residual();
    this.ffn_residual = new Residual();
  }

  forward(x: Tensor, layer: number, attend: Attend): Tensor {
    return scope(() => {
      const attended = this.attention.forward(x, layer, attend);
      const h = this.attention_residual.forward(attended, x, this.sa_layer_norm);
      return this.ffn_residual.forward(this.ffn.forward(h), h, this.output_layer_norm);
    });
  }
}

class DistilBertTransformer extends Module {
  layer: ModuleList<DistilBertBlock>;

  constructor(path: ParameterPath, config: DistilBertConfig) {
    super();
    const indices = Array.from({ length: config.nLayers }, (_, i) => i);
    this.layer = new ModuleList(indices.map((i) => new DistilBertBlock(path.at(`layer.${i}`), config)));
  }
}

function distilBertSizes({ vocabSize, maxPositionEmbeddings, dim, nLayers, nHeads }: DistilBertConfig): ModelSizes {
  const attention = { attentionHeads: nHeads, keyValueHeads: nHeads, headDim: dim / nHeads };
  return {
    vocabSize,
    maxPositions: maxPositionEmbeddings,
    attentionSizes: { hiddenSize: dim, layers: nLayers, ...attention },
  };
}

/** DistilBERT without a head, like transformers' DistilBertModel. */
class DistilBertModel extends TransformerModel {
  readonly config: DistilBertConfig;
  embeddings: DistilBertEmbeddings;
  transformer: DistilBertTransformer;

  constructor(path: ParameterPath, config: DistilBertConfig) {
    super(distilBertSizes(config));
    this.config = config;
    this.embeddings = new DistilBertEmbeddings(path.at("embeddings"), config);
    this.transformer = new DistilBertTransformer(path.at("transformer"), config);
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
      const batch = new PromptedBatch(inputs, virtualTokens);
      const x = this.embeddings.forward(inputs, batch);
      const forget = forgets(this, checkpointing);
      return runBlocks(this.transformer.layer, x, batch, { forget }, (attend) => (block, h, layer) => {
        return block.forward(h, layer, attend);
      });
    });
  }
}

/** DistilBERT that classifies sequences, like transformers' DistilBertForSequenceClassification. */
class DistilBertForSequenceClassification extends SequenceClassifier {
  readonly config: DistilBertConfig & ClassifierHead;
  distilbert: DistilBertModel;
  pre_classifier: UnaryModule;
  dropout: UnaryModule;
  classifier: UnaryModule;

  constructor(config: DistilBertConfig & ClassifierHead, source: ParameterSource) {
    super(distilBertSizes(config));
    const { dim, labels, seqClassifDropout } = config;
    const path = new ParameterPath(source, "");
    this.config = config;
    this.distilbert = new DistilBertModel(path.at("distilbert"), config);
    this.pre_classifier = path.linear("pre_classifier", dim, dim, true);
    this.dropout = path.dropout("dropout", seqClassifDropout);
    const weight = source("classifier.weight", [labels.length, dim], { std: 0.02 });
    this.classifier = linearLayer(weight, source("classifier.bias", [labels.length], { value: 0 }));
  }

  hidden(inputs: ClassifierInputs): Tensor {
    return this.distilbert.forward(inputs, this.virtualTokens, this.gradientCheckpointing);
  }

  logits(inputs: ClassifierInputs): Tensor {
    const pooled = relu(this.pre_classifier.forward(firstRow(this.hidden(inputs))));
    return this.classifier.forward(this.dropout.forward(pooled));
  }

  get logitsLayer(): Module {
    return this.classifier;
  }
}

/** DistilBERT that classifies tokens, like transformers' DistilBertForTokenClassification. */
class DistilBertForTokenClassification extends EncoderTokenClassifier<DistilBertConfig> {
  distilbert: DistilBertModel;

  constructor(config: DistilBertConfig & ClassifierHead, source: ParameterSource) {
    const { dim: width, dropout } = config;
    super(config, source, { sizes: distilBertSizes(config), width, dropout });
    this.distilbert = new DistilBertModel(new ParameterPath(source, "distilbert"), config);
  }

  protected get stack(): DistilBertModel {
    return this.distilbert;
  }
}

/** The architecture of DistilBERT. Sanh et al. 2019, arXiv:1910.01108. */
export const distilBert: Architecture<DistilBertConfig> = defineArchitecture({
  modelType: "distilbert",
  readConfig,
  writeConfig: (config) => ({
    activation: config.activation,
    attention_dropout: config.attentionDropout,
    dim: config.dim,
    dropout: config.dropout,
    hidden_dim: config.hiddenDim,
    max_position_embeddings: config.maxPositionEmbeddings,
    n_heads: config.nHeads,
    n_layers: config.nLayers,
    pad_token_id: config.padTokenId,
    seq_classif_dropout: config.seqClassifDropout,
    vocab_size: config.vocabSize,
  }),
  create: (config, source) => new DistilBertModel(new ParameterPath(source, ""), config),
  heads: {
    sequenceClassification: {
      className: "DistilBertForSequenceClassification",
      module: "classifier",
      create: (config, source) => new DistilBertForSequenceClassification(config, source),
    },
    tokenClassification: {
      className: "DistilBertForTokenClassification",
      module: "classifier",
      create: (config, source) => new DistilBertForTokenClassification(config, source),
    },
  },
  stack: "distilbert",
  sanitize: sanitizeBert,
  defaultTargets: { linear: ["q_lin", "v_lin"] },
  presets: { "distilbert-base": { architectures: ["DistilBertModel"] } },
});
