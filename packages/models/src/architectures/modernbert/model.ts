import { cat, div, mul, ones, reshape, scope, split, sum, type Tensor, to, unsqueeze } from "@lowrank/core";
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
import { type LayerType, readLayerTypes } from "../../config/layerTypes.ts";
import { activate, gatedUnit } from "../../layers/activation.ts";
import { layerNorm, ScaledLayerNorm } from "../../layers/layerNorm.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { ParameterPath, type ParameterSource } from "../../model/parameters.ts";
import { PromptedBatch } from "../../model/promptedBatch.ts";
import { forgets, runBlocks } from "../../model/runBlocks.ts";
import { type ClassifierInputs, SequenceClassifier } from "../../model/sequenceClassifier.ts";
import { TokenClassifier } from "../../model/tokenClassifier.ts";
import { type ModelSizes, TransformerModel } from "../../model/transformerModel.ts";
import { RotaryEmbedding } from "../../rope/rope.ts";
import { type RopeConfig, ropeFrom } from "../../rope/ropeConfig.ts";
import { firstRow } from "../bert/model.ts";
import type { Rotate } from "../llama/traits.ts";

// B batch, T tokens, D hidden size, d head size.

/** The config of a ModernBERT model: the fields of Hugging Face's ModernBertConfig in camelCase. */
interface ModernBertConfig extends ArchitectureConfig {
  modelType: "modernbert";
  hiddenSize: number;
  intermediateSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  hiddenActivation: Activation;
  maxPositionEmbeddings: number;
  normEps: number;
  normBias: boolean;
  attentionBias: boolean;
  mlpBias: boolean;
  attentionDropout: number;
  embeddingDropout: number;
  mlpDropout: number;
  layerTypes: LayerType[];
  /**
   * Window size in tokens. In a sliding-window layer, a token attends to up to `localAttention` / 2 tokens on each
   * side.
   */
  localAttention: number;
  globalRope: RopeConfig;
  localRope: RopeConfig;
  classifierPooling: "cls" | "mean";
  classifierDropout: number;
  classifierBias: boolean;
  classifierActivation: Activation;
}

function readConfig(fields: JsonFields): ModernBertConfig {
  const hiddenSize = fields.size("hidden_size", 768);
  const numAttentionHeads = fields.size("num_attention_heads", 12);
  if (hiddenSize % numAttentionHeads !== 0) {
    throw fields.bad("num_attention_heads", `a divisor of hidden_size ${hiddenSize}`);
  }
  const numHiddenLayers = fields.layers("num_hidden_layers", 22);
  const every = fields.integer("global_attn_every_n_layers", 3);
  const maxPositionEmbeddings = fields.size("max_position_embeddings", 8192);
  const byType = fields.object("rope_parameters");
  const rope = (type: LayerType, key: string, theta: number) =>
    ropeFrom(fields, byType ? byType.object(type) : fields.object("rope_scaling"), {
      headDim: hiddenSize / numAttentionHeads,
      maxPositionEmbeddings,
      theta: fields.positive(key, theta),
    });
  return {
    modelType: "modernbert",
    vocabSize: fields.size("vocab_size", 50368),
    padTokenId: fields.tokenId("pad_token_id", 50283),
    hiddenSize,
    intermediateSize: fields.size("intermediate_size", 1152),
    numHiddenLayers,
    numAttentionHeads,
    hiddenActivation: readActivation(fields, "hidden_activation", "gelu"),
    maxPositionEmbeddings,
    normEps: fields.epsilon("norm_eps", 1e-5),
    normBias: fields.boolean("norm_bias", false),
    attentionBias: fields.boolean("attention_bias", false),
    mlpBias: fields.boolean("mlp_bias", false),
    attentionDropout: fields.probability("attention_dropout", 0),
    embeddingDropout: fields.probability("embedding_dropout", 0),
    mlpDropout: fields.probability("mlp_dropout", 0),
    layerTypes: readLayerTypes(fields, numHiddenLayers, (i) =>
      i % every === 0 ? "full_attention" : "sliding_attention",
    ),
    localAttention: fields.size("local_attention", 128),
    globalRope: rope("full_attention", "global_rope_theta", 160000),
    localRope: rope("sliding_attention", "local_rope_theta", 10000),
    classifierPooling: fields.oneOf("classifier_pooling", ["cls", "mean"], "cls"),
    classifierDropout: fields.probability("classifier_dropout", 0),
    classifierBias: fields.boolean("classifier_bias", false),
    classifierActivation: readActivation(fields, "classifier_activation", "gelu"),
  };
}

function norm(path: ParameterPath, { hiddenSize, normEps, normBias }: ModernBertConfig): UnaryModule {
  return normBias ? layerNorm(path, "", hiddenSize, normEps) : new ScaledLayerNorm(path, hiddenSize, normEps);
}

class ModernBertEmbeddings extends Module {
  tok_embeddings: UnaryModule;
  norm: UnaryModule;
  drop: UnaryModule;

  constructor(path: ParameterPath, config: ModernBertConfig) {
    super();
    const { vocabSize, hiddenSize, padTokenId, embeddingDropout } = config;
    this.tok_embeddings = path.embedding("tok_embeddings", vocabSize, hiddenSize, padTokenId);
    this.norm = norm(path.at("norm"), config);
    this.drop = path.dropout("drop", embeddingDropout);
  }

  forward({ inputIds }: ClassifierInputs, batch: PromptedBatch): Tensor {
    return this.drop.forward(this.norm.forward(batch.embed(this.tok_embeddings.forward(inputIds))));
  }
}

class ModernBertAttention extends AttentionLayer {
  Wqkv: UnaryModule;
  Wo: UnaryModule;
  attention_dropout: Dropout;
  out_drop: UnaryModule;
  readonly #heads: number;
  readonly #reach: number | undefined;

  constructor(path: ParameterPath, config: ModernBertConfig, layer: number) {
    super();
    const { hiddenSize, numAttentionHeads, attentionBias, attentionDropout, layerTypes, localAttention } = config;
    this.Wqkv = path.linear("Wqkv", hiddenSize, 3 * hiddenSize, attentionBias);
    this.Wo = path.linear("Wo", hiddenSize, hiddenSize, attentionBias);
    this.attention_dropout = path.dropout("attention_dropout", attentionDropout);
    this.out_drop = path.dropout("out_drop", attentionDropout);
    this.#heads = numAttentionHeads;
    this.#reach = layerTypes[layer] === "sliding_attention" ? Math.floor(localAttention / 2) : undefined;
  }

  forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate): Tensor {
    const [B, T, D] = x.shape;
    const d = D / this.#heads;
    const [q, k, v] = split(this.Wqkv.forward(x), D, { dim: -1 }).map((y) => reshape(y, [B, T, this.#heads, d]));
    const options = { scale: d ** -0.5, reach: this.#reach, ...this.attention_dropout.ofAttention() };
    const attended = attend(layer, rotate(q), rotate(k), v, options);
    return this.out_drop.forward(this.Wo.forward(reshape(attended, [B, T, D])));
  }
}

class ModernBertMLP extends Module {
  Wi: UnaryModule;
  drop: UnaryModule;
  Wo: UnaryModule;
  readonly #activation: Activation;

  constructor(path: ParameterPath, config: ModernBertConfig) {
    super();
    const { hiddenSize, intermediateSize, mlpBias, mlpDropout, hiddenActivation } = config;
    this.Wi = path.linear("Wi", hiddenSize, 2 * intermediateSize, mlpBias);
    this.drop = path.dropout("drop", mlpDropout);
    this.Wo = path.linear("Wo", intermediateSize, hiddenSize, mlpBias);
    this.#activation = hiddenActivation;
  }

  forward(x: Tensor): Tensor {
    const both = this.Wi.forward(x);
    const [input, gate] = split(both, both.shape[2] / 2, { dim: -1 });
    return this.Wo.forward(this.drop.forward(gatedUnit(this.#activation, input, gate)));
  }
}

class ModernBertLayer extends Module {
  attn_norm?: UnaryModule;
  attn: ModernBertAttention;
  mlp_norm: UnaryModule;
  mlp: ModernBertMLP;
  attention_residual: Residual;
  mlp_residual: Residual;

  constructor(path: ParameterPath, config: ModernBertConfig, layer: number) {
    super();
    // The first layer has no norm here, since its input is normalised by the norm of the embeddings.
    if (layer > 0) this.attn_norm = norm(path.at("attn_norm"), config);
    this.attn = new ModernBertAttention(path.at("attn"), config, layer);
    this.mlp_norm = norm(path.at("mlp_norm"), config);
    this.mlp = new ModernBertMLP(path.at("mlp"), config);
    this.attention_residual = new Residual();
    this.mlp_residual = new Residual();
  }

  forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate): Tensor {
    return scope(() => {
      const attended = this.attn.forward(this.attn_norm?.forward(x) ?? x, layer, attend, rotate);
      const h = this.attention_residual.forward(attended, x);
      return this.mlp_residual.forward(this.mlp.forward(this.mlp_norm.forward(h)), h);
    });
  }
}

function modernBertSizes(config: ModernBertConfig): ModelSizes {
  const { vocabSize, maxPositionEmbeddings, hiddenSize, numHiddenLayers, numAttentionHeads: heads } = config;
  const attention = { attentionHeads: heads, keyValueHeads: heads, headDim: hiddenSize / heads };
  return {
    vocabSize,
    maxPositions: maxPositionEmbeddings,
    attentionSizes: { hiddenSize, layers: numHiddenLayers, ...attention },
  };
}

/** ModernBERT without a head, like transformers' ModernBertModel. */
class ModernBertModel extends TransformerModel {
  readonly config: ModernBertConfig;
  embeddings: ModernBertEmbeddings;
  layers: ModuleList<ModernBertLayer>;
  final_norm: UnaryModule;
  readonly #global: RotaryEmbedding;
  readonly #local: RotaryEmbedding;

  constructor(path: ParameterPath, config: ModernBertConfig) {
    super(modernBertSizes(config));
    const { numHiddenLayers, hiddenSize, numAttentionHeads, globalRope, localRope } = config;
    this.config = config;
    this.embeddings = new ModernBertEmbeddings(path.at("embeddings"), config);
    const indices = Array.from({ length: numHiddenLayers }, (_, i) => i);
    this.layers = new ModuleList(indices.map((i) => new ModernBertLayer(path.at(`layers.${i}`), config, i)));
    this.final_norm = norm(path.at("final_norm"), config);
    const headDim = hiddenSize / numAttentionHeads;
    this.#global = new RotaryEmbedding(globalRope, headDim, config.maxPositionEmbeddings);
    this.#local = new RotaryEmbedding(localRope, headDim, config.maxPositionEmbeddings);
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
      const hidden = runBlocks(this.layers, x, batch, { forget }, (attend) => {
        const positions = batch.positions();
        const [global, local] = [this.#global, this.#local].map((one) => one.at(x.shape[1], batch.offset, positions));
        return (block, h, layer) => {
          const rotate = this.config.layerTypes[layer] === "full_attention" ? global : local;
          return block.forward(h, layer, attend, rotate);
        };
      });
      return this.final_norm.forward(hidden);
    });
  }
}

class ModernBertPredictionHead extends Module {
  dense: UnaryModule;
  norm: UnaryModule;
  readonly #activation: Activation;

  constructor(path: ParameterPath, config: ModernBertConfig) {
    super();
    this.dense = path.linear("dense", config.hiddenSize, config.hiddenSize, config.classifierBias);
    this.norm = norm(path.at("norm"), config);
    this.#activation = config.classifierActivation;
  }

  forward(x: Tensor): Tensor {
    return this.norm.forward(activate(this.#activation, this.dense.forward(x)));
  }
}

/** Makes the base model and the layers of a classification head. */
function headedParts(config: ModernBertConfig & ClassifierHead, source: ParameterSource) {
  const { hiddenSize, labels, classifierDropout } = config;
  const path = new ParameterPath(source, "");
  const model = new ModernBertModel(path.at("model"), config);
  const head = new ModernBertPredictionHead(path.at("head"), config);
  const drop = path.dropout("drop", classifierDropout);
  const weight = source("classifier.weight", [labels.length, hiddenSize], { std: 0.02 });
  const classifier = linearLayer(weight, source("classifier.bias", [labels.length], { value: 0 }));
  return { model, head, drop, classifier };
}

/**
 * Averages the hidden states of each sequence: [B, P + T, D] to [B, D]. The mean includes the P virtual tokens, but no
 * padding.
 */
function meanRows(hidden: Tensor, { attentionMask }: ClassifierInputs): Tensor {
  const [B, rows] = hidden.shape;
  if (!attentionMask) return div(sum(hidden, { dim: 1 }), rows);
  const virtual = rows - attentionMask.shape[1];
  const mask = to(attentionMask, { dtype: "f32" });
  const seen = virtual === 0 ? mask : cat([ones([B, virtual]), mask], { dim: 1 });
  return div(sum(mul(hidden, unsqueeze(seen, 2)), { dim: 1 }), reshape(sum(seen, { dim: 1 }), [B, 1]));
}

/** ModernBERT that classifies sequences, like transformers' ModernBertForSequenceClassification. */
class ModernBertForSequenceClassification extends SequenceClassifier {
  readonly config: ModernBertConfig & ClassifierHead;
  model: ModernBertModel;
  head: ModernBertPredictionHead;
  drop: UnaryModule;
  classifier: UnaryModule;

  constructor(config: ModernBertConfig & ClassifierHead, source: ParameterSource) {
    super(modernBertSizes(config));
    this.config = config;
    const { model, head, drop, classifier } = headedParts(config, source);
    this.model = model;
    this.head = head;
    this.drop = drop;
    this.classifier = classifier;
  }

  hidden(inputs: ClassifierInputs): Tensor {
    return this.model.forward(inputs, this.virtualTokens, this.gradientCheckpointing);
  }

  logits(inputs: ClassifierInputs): Tensor {
    const hidden = this.hidden(inputs);
    const pooled = this.config.classifierPooling === "cls" ? firstRow(hidden) : meanRows(hidden, inputs);
    return this.classifier.forward(this.drop.forward(this.head.forward(pooled)));
  }

  get logitsLayer(): Module {
    return this.classifier;
  }
}

/** ModernBERT that classifies tokens, like transformers' ModernBertForTokenClassification. */
class ModernBertForTokenClassification extends TokenClassifier {
  readonly config: ModernBertConfig & ClassifierHead;
  model: ModernBertModel;
  head: ModernBertPredictionHead;
  drop: UnaryModule;
  classifier: UnaryModule;

  constructor(config: ModernBertConfig & ClassifierHead, source: ParameterSource) {
    super(modernBertSizes(config));
    this.config = config;
    const { model, head, drop, classifier } = headedParts(config, source);
    this.model = model;
    this.head = head;
    this.drop = drop;
    this.classifier = classifier;
  }

  hidden(inputs: ClassifierInputs): Tensor {
    return this.model.forward(inputs, this.virtualTokens, this.gradientCheckpointing);
  }

  protected answers(hidden: Tensor): Tensor {
    return this.classifier.forward(this.drop.forward(this.head.forward(hidden)));
  }

  get logitsLayer(): Module {
    return this.classifier;
  }
}

/** ModernBERT: rotary embeddings, and sliding windows on most layers. Warner et al. 2024, arXiv:2412.13663. */
export const modernBert: Architecture<ModernBertConfig> = defineArchitecture({
  modelType: "modernbert",
  readConfig,
  writeConfig: (config) => ({
    attention_bias: config.attentionBias,
    attention_dropout: config.attentionDropout,
    classifier_activation: config.classifierActivation,
    classifier_bias: config.classifierBias,
    classifier_dropout: config.classifierDropout,
    classifier_pooling: config.classifierPooling,
    embedding_dropout: config.embeddingDropout,
    global_rope_theta: config.globalRope.theta,
    hidden_activation: config.hiddenActivation,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    layer_types: config.layerTypes,
    local_attention: config.localAttention,
    local_rope_theta: config.localRope.theta,
    max_position_embeddings: config.maxPositionEmbeddings,
    mlp_bias: config.mlpBias,
    mlp_dropout: config.mlpDropout,
    norm_bias: config.normBias,
    norm_eps: config.normEps,
    num_attention_heads: config.numAttentionHeads,
    num_hidden_layers: config.numHiddenLayers,
    pad_token_id: config.padTokenId,
    vocab_size: config.vocabSize,
  }),
  create: (config, source) => new ModernBertModel(new ParameterPath(source, ""), config),
  heads: {
    sequenceClassification: {
      className: "ModernBertForSequenceClassification",
      module: "classifier",
      create: (config, source) => new ModernBertForSequenceClassification(config, source),
    },
    tokenClassification: {
      className: "ModernBertForTokenClassification",
      module: "classifier",
      create: (config, source) => new ModernBertForTokenClassification(config, source),
    },
  },
  stack: "model",
  defaultTargets: { linear: ["Wqkv"] },
  presets: { "modernbert-base": { architectures: ["ModernBertModel"] } },
});
