import {
  add,
  arange,
  conv1d,
  expand,
  gather,
  matmul,
  mul,
  permute,
  reshape,
  type Shape,
  scope,
  softmax,
  type Tensor,
  tanh,
  tensor,
  to,
  where,
} from "@lowrank/core";
import { widen } from "@lowrank/core/internal";
import { type Embedding, Module, ModuleList, type Parameter, type UnaryModule, type VirtualTokens } from "@lowrank/nn";
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
import { BertIntermediate, BertOutput, firstRow, sanitizeBert, tokenTypes } from "../bert/model.ts";
import { relativeRows } from "./positions.ts";

// B batch, T tokens, D hidden size, H heads, d head size, R rows of relative positions.

/** The additional terms of attention scores: content-to-position ("c2p") and position-to-content ("p2c"). */
type PositionTerm = "c2p" | "p2c";

/** The config of a DeBERTa v2 or v3 model: the fields of Hugging Face's DebertaV2Config in camelCase. */
interface DebertaV2Config extends ArchitectureConfig {
  modelType: "deberta-v2";
  padTokenId: number;
  hiddenSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  intermediateSize: number;
  hiddenAct: Activation;
  layerNormEps: number;
  hiddenDropoutProb: number;
  attentionProbsDropoutProb: number;
  maxPositionEmbeddings: number;
  /** True to add absolute position embeddings to the token embeddings. */
  positionBiasedInput: boolean;
  typeVocabSize: number;
  /**
   * The terms that are added to attention scores. If `relativeAttention` is false, the terms are not added. In both
   * cases the scores are divided by sqrt(d * (1 + number of terms)).
   */
  posAttType: PositionTerm[];
  /** True to use a table of relative position embeddings. */
  relativeAttention: boolean;
  /** True to project relative positions with the same weights as the hidden states. */
  shareAttKey: boolean;
  /** True to apply LayerNorm to the table of relative positions. */
  normRelEbd: boolean;
  /**
   * The largest distance, in tokens, that the model distinguishes between a query and a key. Larger distances are
   * treated as this one.
   */
  maxRelativePositions: number;
  /**
   * Number of buckets for the distances on each side of a token. Each short distance has its own bucket; several longer
   * distances share one. If 0, every distance has its own bucket.
   */
  positionBuckets: number;
  /** Kernel size of the convolution parallel to the first layer; 0 for none. */
  convKernelSize: number;
  convAct: "tanh" | Activation;
  poolerDropout: number;
  poolerHiddenAct: Activation;
  /** Dropout probability before the classifier; null to use `hiddenDropoutProb`. */
  clsDropout: number | null;
}

function readTerms(fields: JsonFields): PositionTerm[] {
  const found = fields.raw("pos_att_type") ?? [];
  const terms = typeof found === "string" ? found.toLowerCase().split("|") : found;
  const known = Array.isArray(terms) && terms.every((term) => term === "c2p" || term === "p2c");
  if (known) return (["c2p", "p2c"] as const).filter((term) => terms.includes(term));
  throw fields.bad("pos_att_type", `"c2p" and "p2c", or one of them`);
}

function readConfig(fields: JsonFields): DebertaV2Config {
  const hiddenSize = fields.size("hidden_size", 1536);
  const numAttentionHeads = fields.size("num_attention_heads", 24);
  if (hiddenSize % numAttentionHeads !== 0) {
    throw fields.bad("num_attention_heads", `a divisor of hidden_size ${hiddenSize}`);
  }
  for (const key of ["embedding_size", "pooler_hidden_size", "attention_head_size"]) {
    const usual = key === "attention_head_size" ? hiddenSize / numAttentionHeads : hiddenSize;
    if (fields.integer(key, usual) !== usual) throw fields.bad(key, `${usual}, which follows from hidden_size`);
  }
  const positions = fields.size("max_position_embeddings", 512);
  const relative = fields.number("max_relative_positions", -1);
  const relativeAttention = fields.boolean("relative_attention", false);
  return {
    modelType: "deberta-v2",
    vocabSize: fields.size("vocab_size", 128100),
    padTokenId: fields.tokenId("pad_token_id", 0) ?? 0,
    hiddenSize,
    numHiddenLayers: fields.layers("num_hidden_layers", 24),
    numAttentionHeads,
    intermediateSize: fields.size("intermediate_size", 6144),
    hiddenAct: readActivation(fields, "hidden_act", "gelu"),
    layerNormEps: fields.epsilon("layer_norm_eps", 1e-7),
    hiddenDropoutProb: fields.probability("hidden_dropout_prob", 0.1),
    attentionProbsDropoutProb: fields.probability("attention_probs_dropout_prob", 0.1),
    maxPositionEmbeddings: positions,
    positionBiasedInput: fields.boolean("position_biased_input", true),
    typeVocabSize: fields.integer("type_vocab_size", 0, 0),
    posAttType: readTerms(fields),
    relativeAttention,
    shareAttKey: fields.boolean("share_att_key", false),
    normRelEbd: String(fields.raw("norm_rel_ebd") ?? "none").includes("layer_norm"),
    maxRelativePositions: relative < 1 ? positions : relative,
    positionBuckets: Math.max(0, fields.number("position_buckets", -1)),
    convKernelSize: fields.integer("conv_kernel_size", 0, 0),
    convAct:
      fields.raw("conv_act") === undefined || fields.raw("conv_act") === "tanh"
        ? "tanh"
        : readActivation(fields, "conv_act", "gelu"),
    poolerDropout: fields.probability("pooler_dropout", 0),
    poolerHiddenAct: readActivation(fields, "pooler_hidden_act", "gelu"),
    clsDropout: fields.raw("cls_dropout") === undefined ? null : fields.probability("cls_dropout"),
  };
}

/**
 * Returns the number of rows in the table of relative positions for one side of a token. The table has twice as many
 * rows.
 */
const spanOf = ({ positionBuckets, maxRelativePositions }: DebertaV2Config): number =>
  positionBuckets > 0 ? positionBuckets : maxRelativePositions;

/** Values that all layers of a forward pass use. */
interface Shared {
  /** Mask of the keys that queries may attend to, u8 or bool [B, 1, 1, T]; undefined without padding. */
  readonly mask: Tensor | undefined;
  /** The table of relative positions [R, D]; null without relative attention. */
  readonly table: Tensor | null;
  /** For each pair of query and key, the index of its row in `table`, i32 [1, 1, T, T]. */
  readonly rows: Tensor;
}

class DebertaV2SelfAttention extends Module {
  query_proj: UnaryModule;
  key_proj: UnaryModule;
  value_proj: UnaryModule;
  pos_key_proj?: UnaryModule;
  pos_query_proj?: UnaryModule;
  pos_dropout: UnaryModule;
  dropout: UnaryModule;
  readonly #config: DebertaV2Config;

  constructor(path: ParameterPath, config: DebertaV2Config) {
    super();
    const { hiddenSize: D, posAttType } = config;
    const ownProjections = config.relativeAttention && !config.shareAttKey;
    this.query_proj = path.linear("query_proj", D, D, true);
    this.key_proj = path.linear("key_proj", D, D, true);
    this.value_proj = path.linear("value_proj", D, D, true);
    if (ownProjections && posAttType.includes("c2p")) this.pos_key_proj = path.linear("pos_key_proj", D, D, true);
    if (ownProjections && posAttType.includes("p2c")) this.pos_query_proj = path.linear("pos_query_proj", D, D, true);
    this.pos_dropout = path.dropout("pos_dropout", config.hiddenDropoutProb);
    this.dropout = path.dropout("dropout", config.attentionProbsDropoutProb);
    this.#config = config;
  }

  /** Splits [..., N, D] into heads [..., H, N, d]. */
  #heads(rows: Tensor): Tensor {
    const { numAttentionHeads: H } = this.#config;
    const N = rows.shape[rows.ndim - 2];
    const apart = reshape(rows, [-1, N, H, this.#config.hiddenSize / H]);
    const heads = permute(apart, [0, 2, 1, 3]);
    return rows.ndim === 3 ? heads : reshape(heads, heads.shape.slice(1));
  }

  forward(x: Tensor, shared: Shared): Tensor {
    return scope(() => {
      const [B, T, D] = x.shape;
      const { posAttType, numAttentionHeads } = this.#config;
      const scale = Math.sqrt((D / numAttentionHeads) * (1 + posAttType.length));
      const [q, k, v] = [this.query_proj, this.key_proj, this.value_proj].map((one) => this.#heads(one.forward(x)));
      const content = matmul(q, k, { transposeB: true });
      const scores = mul(
        this.#positions(q, k, shared).reduce((sum, term) => add(sum, term), content),
        1 / scale,
      );
      const seen = shared.mask ? where(to(shared.mask, { dtype: "bool" }), scores, -3.4028234663852886e38) : scores;
      const weights = softmax(seen, { dim: -1 });
      return reshape(permute(matmul(this.dropout.forward(weights), v), [0, 2, 1, 3]), [B, T, D]);
    });
  }

  /** Returns the position terms to add to the attention scores, each [B, H, T, T]. */
  #positions(q: Tensor, k: Tensor, { table, rows }: Shared): Tensor[] {
    if (!table) return [];
    const [B, H, T] = q.shape;
    const places = this.pos_dropout.forward(table);
    const at = expand(rows, [B, H, T, T]);
    const swapped = (x: Tensor) => permute(x, [0, 1, 3, 2]);
    const term = (of: Tensor, projection: UnaryModule, index: Tensor) =>
      gather(matmul(of, this.#heads(projection.forward(places)), { transposeB: true }), index, { dim: -1 });
    const terms = {
      c2p: () => term(q, this.pos_key_proj ?? this.key_proj, at),
      p2c: () => swapped(term(k, this.pos_query_proj ?? this.query_proj, swapped(at))),
    };
    return this.#config.posAttType.map((type) => terms[type]());
  }
}

class DebertaV2Attention extends Module {
  self: DebertaV2SelfAttention;
  output: BertOutput;

  constructor(path: ParameterPath, config: DebertaV2Config) {
    super();
    this.self = new DebertaV2SelfAttention(path.at("self"), config);
    this.output = new BertOutput(path.at("output"), config.hiddenSize, config);
  }
}

class DebertaV2Layer extends Module {
  attention: DebertaV2Attention;
  intermediate: BertIntermediate;
  output: BertOutput;
  readonly #activation: Activation;

  constructor(path: ParameterPath, config: DebertaV2Config) {
    super();
    this.attention = new DebertaV2Attention(path.at("attention"), config);
    this.intermediate = new BertIntermediate(path.at("intermediate"), config);
    this.output = new BertOutput(path.at("output"), config.intermediateSize, config);
    this.#activation = config.hiddenAct;
  }

  forward(x: Tensor, shared: Shared): Tensor {
    return scope(() => {
      const h = this.attention.output.forward(this.attention.self.forward(x, shared), x);
      return this.output.forward(activate(this.#activation, this.intermediate.dense.forward(h)), h);
    });
  }
}

class Convolution extends Module {
  weight: Parameter;
  bias: Parameter;

  constructor(path: ParameterPath, weight: Shape) {
    super();
    this.weight = path.parameter("weight", weight);
    this.bias = path.parameter("bias", [weight[0]], { value: 0 });
  }

  /** Maps hidden states [B, T, D] to hidden states of the same shape. */
  forward(x: Tensor): Tensor {
    const padding = (this.weight.shape[2] - 1) / 2;
    const swapped = permute(x, [0, 2, 1]);
    return permute(conv1d(swapped, widen(this.weight), widen(this.bias), { padding }), [0, 2, 1]);
  }
}

/**
 * The convolution that runs on the embeddings, parallel to the first layer. Its output is added to the output of that
 * layer, and the sum is normalised.
 */
class ConvLayer extends Module {
  conv: Convolution;
  LayerNorm: UnaryModule;
  dropout: UnaryModule;
  readonly #activation: DebertaV2Config["convAct"];

  constructor(path: ParameterPath, config: DebertaV2Config) {
    super();
    const { hiddenSize, convKernelSize, layerNormEps, hiddenDropoutProb } = config;
    this.conv = new Convolution(path.at("conv"), [hiddenSize, hiddenSize, convKernelSize]);
    this.LayerNorm = layerNorm(path, "LayerNorm", hiddenSize, layerNormEps);
    this.dropout = path.dropout("dropout", hiddenDropoutProb);
    this.#activation = config.convAct;
  }

  /**
   * Applies the convolution to the embeddings and adds the result to `made`, the output of the first layer. Returns
   * hidden states [B, T, D]. `mask`, f32 [B, T, 1], is 0 for padding.
   */
  forward(embedded: Tensor, made: Tensor, mask: Tensor | undefined): Tensor {
    const masked = (x: Tensor) => (mask ? mul(x, mask) : x);
    const out = this.dropout.forward(masked(this.conv.forward(embedded)));
    const active = this.#activation === "tanh" ? tanh(out) : activate(this.#activation, out);
    return masked(this.LayerNorm.forward(add(made, active)));
  }
}

class DebertaV2Embeddings extends Module {
  word_embeddings: UnaryModule;
  position_embeddings?: UnaryModule;
  token_type_embeddings?: UnaryModule;
  LayerNorm: UnaryModule;
  dropout: UnaryModule;

  constructor(path: ParameterPath, config: DebertaV2Config) {
    super();
    const { vocabSize, hiddenSize: D, padTokenId, maxPositionEmbeddings, typeVocabSize } = config;
    this.word_embeddings = path.embedding("word_embeddings", vocabSize, D, padTokenId);
    if (config.positionBiasedInput) {
      this.position_embeddings = path.embedding("position_embeddings", maxPositionEmbeddings, D);
    }
    if (typeVocabSize > 0) this.token_type_embeddings = path.embedding("token_type_embeddings", typeVocabSize, D);
    this.LayerNorm = layerNorm(path, "LayerNorm", D, config.layerNormEps);
    this.dropout = path.dropout("dropout", config.hiddenDropoutProb);
  }

  /** Returns the embeddings [B, T, D] of a batch. `mask` f32 [B, T, 1] is 0 on padding. */
  forward(inputs: ClassifierInputs, batch: PromptedBatch, mask: Tensor | undefined): Tensor {
    let x = batch.embed(this.word_embeddings.forward(inputs.inputIds));
    const [B, T] = x.shape;
    if (this.position_embeddings) {
      x = add(x, this.position_embeddings.forward(batch.positionIds() ?? arange(0, T)));
    }
    if (this.token_type_embeddings) x = add(x, this.token_type_embeddings.forward(tokenTypes(inputs, B, T)));
    const normed = this.LayerNorm.forward(x);
    return this.dropout.forward(mask ? mul(normed, mask) : normed);
  }
}

class DebertaV2Encoder extends Module {
  layer: ModuleList<DebertaV2Layer>;
  rel_embeddings?: Embedding;
  LayerNorm?: UnaryModule;
  conv?: ConvLayer;
  readonly #config: DebertaV2Config;

  constructor(path: ParameterPath, config: DebertaV2Config) {
    super();
    const { numHiddenLayers, hiddenSize, layerNormEps } = config;
    const indices = Array.from({ length: numHiddenLayers }, (_, i) => i);
    this.layer = new ModuleList(indices.map((i) => new DebertaV2Layer(path.at(`layer.${i}`), config)));
    if (config.relativeAttention)
      this.rel_embeddings = path.embedding("rel_embeddings", 2 * spanOf(config), hiddenSize);
    if (config.normRelEbd) this.LayerNorm = layerNorm(path, "LayerNorm", hiddenSize, layerNormEps);
    if (config.convKernelSize > 0) this.conv = new ConvLayer(path.at("conv"), config);
    this.#config = config;
  }

  forward(embedded: Tensor, batch: PromptedBatch, mask: Tensor | undefined, forget: boolean): Tensor {
    const T = embedded.shape[1];
    const run = (blocks: Iterable<DebertaV2Layer>, x: Tensor) =>
      runBlocks(blocks, x, batch, { forget }, () => {
        const shared = { mask: batch.mask(), table: this.#table(), rows: this.#rows(T, embedded) };
        return (block, h) => block.forward(h, shared);
      });
    const [first, ...others] = this.layer;
    const made = run([first], embedded);
    return run(others, this.conv ? this.conv.forward(embedded, made, mask) : made);
  }

  #table(): Tensor | null {
    if (!this.rel_embeddings) return null;
    const table = widen(this.rel_embeddings.weight);
    return this.LayerNorm ? this.LayerNorm.forward(table) : table;
  }

  #rows(T: number, like: Tensor): Tensor {
    const { positionBuckets, maxRelativePositions } = this.#config;
    const rows = relativeRows(T, { span: spanOf(this.#config), positionBuckets, maxRelativePositions });
    return tensor(rows, { shape: [1, 1, T, T], backend: like.storage.backend });
  }
}

function debertaV2Sizes(config: DebertaV2Config): ModelSizes {
  const { vocabSize, hiddenSize, numHiddenLayers: layers, numAttentionHeads: heads } = config;
  const attention = { attentionHeads: heads, keyValueHeads: heads, headDim: hiddenSize / heads };
  return {
    vocabSize,
    maxPositions: config.maxPositionEmbeddings,
    attentionSizes: { hiddenSize, layers, ...attention },
  };
}

/** DeBERTa v2 without a head, like transformers' DebertaV2Model. He et al. 2021, arXiv:2006.03654. */
class DebertaV2Model extends TransformerModel {
  readonly config: DebertaV2Config;
  embeddings: DebertaV2Embeddings;
  encoder: DebertaV2Encoder;

  constructor(path: ParameterPath, config: DebertaV2Config) {
    super(debertaV2Sizes(config));
    this.config = config;
    this.embeddings = new DebertaV2Embeddings(path.at("embeddings"), config);
    this.encoder = new DebertaV2Encoder(path.at("encoder"), config);
  }

  /**
   * Returns the final hidden states [B, P + T, D] of P virtual tokens (from prompt tuning) and the T tokens of the
   * input. `virtualTokens` defaults to the virtual tokens that are set on this module. A model with a classification
   * head passes its own virtual tokens instead. Throws for prefix tuning, because its keys and values have no relative
   * positions.
   */
  forward(
    inputs: ClassifierInputs,
    virtualTokens: VirtualTokens | null = this.virtualTokens,
    checkpointing: boolean = this.gradientCheckpointing,
  ): Tensor {
    if (virtualTokens?.kind === "cache") {
      throw new Error(
        "a deberta-v2 supports no prefix of keys and values, here as in transformers; use prompt tuning or LoRA",
      );
    }
    return scope(() => {
      const batch = new PromptedBatch(inputs, virtualTokens);
      const seen = batch.mask();
      const mask = seen && reshape(to(seen, { dtype: "f32" }), [seen.shape[0], -1, 1]);
      const x = this.embeddings.forward(inputs, batch, mask);
      return this.encoder.forward(x, batch, mask, forgets(this, checkpointing));
    });
  }
}

class ContextPooler extends Module {
  dense: UnaryModule;
  dropout: UnaryModule;
  readonly #activation: Activation;

  constructor(path: ParameterPath, { hiddenSize, poolerDropout, poolerHiddenAct }: DebertaV2Config) {
    super();
    this.dense = path.linear("dense", hiddenSize, hiddenSize, true);
    this.dropout = path.dropout("dropout", poolerDropout);
    this.#activation = poolerHiddenAct;
  }

  /** Pools hidden states [B, T, D] to one vector per sequence [B, D]. */
  forward(hidden: Tensor): Tensor {
    return activate(this.#activation, this.dense.forward(this.dropout.forward(firstRow(hidden))));
  }
}

/** DeBERTa v2 or v3 that classifies sequences, like transformers' DebertaV2ForSequenceClassification. */
class DebertaV2ForSequenceClassification extends SequenceClassifier {
  readonly config: DebertaV2Config & ClassifierHead;
  deberta: DebertaV2Model;
  pooler: ContextPooler;
  dropout: UnaryModule;
  classifier: UnaryModule;

  constructor(config: DebertaV2Config & ClassifierHead, source: ParameterSource) {
    super(debertaV2Sizes(config));
    const { hiddenSize, labels, clsDropout, hiddenDropoutProb } = config;
    const path = new ParameterPath(source, "");
    this.config = config;
    this.deberta = new DebertaV2Model(path.at("deberta"), config);
    this.pooler = new ContextPooler(path.at("pooler"), config);
    this.dropout = path.dropout("dropout", clsDropout ?? hiddenDropoutProb);
    const weight = source("classifier.weight", [labels.length, hiddenSize], { std: 0.02 });
    this.classifier = linearLayer(weight, source("classifier.bias", [labels.length], { value: 0 }));
  }

  hidden(inputs: ClassifierInputs): Tensor {
    return this.deberta.forward(inputs, this.virtualTokens, this.gradientCheckpointing);
  }

  logits(inputs: ClassifierInputs): Tensor {
    return this.classifier.forward(this.dropout.forward(this.pooler.forward(this.hidden(inputs))));
  }

  get logitsLayer(): Module {
    return this.classifier;
  }
}

/** DeBERTa that classifies tokens, like transformers' DebertaV2ForTokenClassification. */
class DebertaV2ForTokenClassification extends EncoderTokenClassifier<DebertaV2Config> {
  deberta: DebertaV2Model;

  constructor(config: DebertaV2Config & ClassifierHead, source: ParameterSource) {
    const { hiddenSize: width, hiddenDropoutProb: dropout } = config;
    super(config, source, { sizes: debertaV2Sizes(config), width, dropout });
    this.deberta = new DebertaV2Model(new ParameterPath(source, "deberta"), config);
  }

  protected get stack(): DebertaV2Model {
    return this.deberta;
  }
}

/** DeBERTa v2 and v3. He et al. 2021, arXiv:2006.03654 and arXiv:2111.09543. */
export const debertaV2: Architecture<DebertaV2Config> = defineArchitecture({
  modelType: "deberta-v2",
  readConfig,
  writeConfig: (config) => ({
    attention_probs_dropout_prob: config.attentionProbsDropoutProb,
    cls_dropout: config.clsDropout,
    conv_act: config.convAct,
    conv_kernel_size: config.convKernelSize,
    hidden_act: config.hiddenAct,
    hidden_dropout_prob: config.hiddenDropoutProb,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    layer_norm_eps: config.layerNormEps,
    max_position_embeddings: config.maxPositionEmbeddings,
    max_relative_positions: config.maxRelativePositions,
    norm_rel_ebd: config.normRelEbd ? "layer_norm" : "none",
    num_attention_heads: config.numAttentionHeads,
    num_hidden_layers: config.numHiddenLayers,
    pad_token_id: config.padTokenId,
    pooler_dropout: config.poolerDropout,
    pooler_hidden_act: config.poolerHiddenAct,
    pooler_hidden_size: config.hiddenSize,
    pos_att_type: config.posAttType,
    position_biased_input: config.positionBiasedInput,
    position_buckets: config.positionBuckets || -1,
    relative_attention: config.relativeAttention,
    share_att_key: config.shareAttKey,
    type_vocab_size: config.typeVocabSize,
    vocab_size: config.vocabSize,
  }),
  create: (config, source) => new DebertaV2Model(new ParameterPath(source, ""), config),
  heads: {
    sequenceClassification: {
      className: "DebertaV2ForSequenceClassification",
      module: "classifier",
      create: (config, source) => new DebertaV2ForSequenceClassification(config, source),
    },
    tokenClassification: {
      className: "DebertaV2ForTokenClassification",
      module: "classifier",
      create: (config, source) => new DebertaV2ForTokenClassification(config, source),
    },
  },
  stack: "deberta",
  sanitize: sanitizeBert,
  defaultTargets: { linear: ["query_proj", "value_proj"] },
  presets: {
    "deberta-v2-xxlarge": {
      architectures: ["DebertaV2Model"],
      num_hidden_layers: 48,
      position_biased_input: false,
      position_buckets: 256,
      conv_kernel_size: 3,
      relative_attention: true,
      pos_att_type: "p2c|c2p",
      share_att_key: true,
      norm_rel_ebd: "layer_norm",
    },
  },
});
