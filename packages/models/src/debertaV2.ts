import type { Shape } from "@lowrank/core";
import { type AttentionSizes, Module, ModuleList, type Parameter, Residual, type VirtualTokens } from "@lowrank/nn";
import { type Architecture, defineArchitecture } from "./architecture.ts";
import type { ArchitectureConfig } from "./config/architectureConfig.ts";
import type { JsonFields } from "./config/jsonFields.ts";
import { layerNorm } from "./layerNorm.ts";
import { ParameterPath, type ParameterSource } from "./parameters.ts";
import type { DefaultTargets, StackModel } from "./transformerModel.ts";

/** The shape of a DeBERTa v2 or v3, named as in Hugging Face's DebertaV2Config. */
interface DebertaV2Config extends ArchitectureConfig {
  modelType: "deberta-v2";
  hiddenSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  intermediateSize: number;
  layerNormEps: number;
  /** Rows of the tables of positions and of token types; 0 for no table. */
  positionRows: number;
  typeVocabSize: number;
  /** Rows of the table of relative positions. */
  relativeRows: number;
  /** The width of the convolution beside the first layer; 0 for none. */
  convKernelSize: number;
}

function readConfig(fields: JsonFields): DebertaV2Config {
  const positions = fields.integer("max_position_embeddings", 512);
  const relative = fields.raw("max_relative_positions") as number | undefined;
  const buckets = fields.raw("position_buckets") as number | undefined;
  fields.oneOf("norm_rel_ebd", ["layer_norm"], "layer_norm");
  if (!fields.boolean("share_att_key", true)) {
    throw fields.bad("share_att_key", "true: positions with projections of their own are not supported");
  }
  return {
    modelType: "deberta-v2",
    vocabSize: fields.integer("vocab_size", 128100),
    padTokenId: fields.tokenId("pad_token_id", 0),
    hiddenSize: fields.integer("hidden_size", 1536),
    numHiddenLayers: fields.integer("num_hidden_layers", 24),
    numAttentionHeads: fields.integer("num_attention_heads", 24),
    intermediateSize: fields.integer("intermediate_size", 6144),
    layerNormEps: fields.number("layer_norm_eps", 1e-7),
    positionRows: fields.boolean("position_biased_input", true) ? positions : 0,
    typeVocabSize: fields.integer("type_vocab_size", 0, 0),
    relativeRows:
      2 * (buckets !== undefined && buckets > 0 ? buckets : relative && relative > 0 ? relative : positions),
    convKernelSize: fields.integer("conv_kernel_size", 0, 0),
  };
}

/** A module that is known by its children. */
class Part extends Module {
  constructor(children: Readonly<Record<string, Module | null>>) {
    super();
    for (const [name, child] of Object.entries(children)) if (child) Object.assign(this, { [name]: child });
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
}

function layer(path: ParameterPath, config: DebertaV2Config): Module {
  const { hiddenSize, intermediateSize, layerNormEps } = config;
  const self = path.at("attention.self");
  const project = (name: string) => self.linear(name, hiddenSize, hiddenSize, true);
  const output = (at: ParameterPath, inputs: number) =>
    new Part({
      dense: at.linear("dense", inputs, hiddenSize, true),
      residual: new Residual(),
      LayerNorm: layerNorm(at, "LayerNorm", hiddenSize, layerNormEps),
    });
  return new Part({
    attention: new Part({
      self: new Part({
        query_proj: project("query_proj"),
        key_proj: project("key_proj"),
        value_proj: project("value_proj"),
      }),
      output: output(path.at("attention.output"), hiddenSize),
    }),
    intermediate: new Part({ dense: path.at("intermediate").linear("dense", hiddenSize, intermediateSize, true) }),
    output: output(path.at("output"), intermediateSize),
  });
}

/**
 * DeBERTa v2 without a head, as transformers' DebertaV2Model: its shapes, for reports. He et
 * al. 2021, arXiv:2006.03654.
 */
class DebertaV2Model extends Module implements StackModel {
  readonly config: DebertaV2Config;
  readonly attentionSizes: AttentionSizes;
  virtualTokens: VirtualTokens | null = null;
  defaultTargets: DefaultTargets = {};
  embeddings: Module;
  encoder: Module;

  constructor(config: DebertaV2Config, source: ParameterSource) {
    super();
    const { hiddenSize, numHiddenLayers: layers, numAttentionHeads: heads, layerNormEps, convKernelSize } = config;
    const size = { hiddenSize, layers, headDim: hiddenSize / heads };
    this.config = config;
    this.attentionSizes = { ...size, attentionHeads: heads, keyValueHeads: heads };
    const [words, stack] = [new ParameterPath(source, "embeddings"), new ParameterPath(source, "encoder")];
    const table = (path: ParameterPath, name: string, rows: number) =>
      rows > 0 ? path.embedding(name, rows, hiddenSize) : null;
    const norm = (path: ParameterPath) => layerNorm(path, "LayerNorm", hiddenSize, layerNormEps);
    this.embeddings = new Part({
      word_embeddings: table(words, "word_embeddings", config.vocabSize),
      position_embeddings: table(words, "position_embeddings", config.positionRows),
      token_type_embeddings: table(words, "token_type_embeddings", config.typeVocabSize),
      LayerNorm: norm(words),
    });
    const conv = stack.at("conv");
    const kernel = [hiddenSize, hiddenSize, convKernelSize];
    const indices = Array.from({ length: layers }, (_, i) => i);
    this.encoder = new Part({
      layer: new ModuleList(indices.map((i) => layer(stack.at(`layer.${i}`), config))),
      rel_embeddings: table(stack, "rel_embeddings", config.relativeRows),
      LayerNorm: norm(stack),
      conv:
        convKernelSize > 0 ? new Part({ conv: new Convolution(conv.at("conv"), kernel), LayerNorm: norm(conv) }) : null,
    });
  }

  forward(): never {
    throw new Error("a deberta-v2 is known here by its shapes alone; it cannot be run");
  }
}

/** DeBERTa v2, whose shapes are known. */
export const debertaV2: Architecture<DebertaV2Config> = defineArchitecture({
  modelType: "deberta-v2",
  readConfig,
  writeConfig: (config) => ({
    conv_kernel_size: config.convKernelSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    layer_norm_eps: config.layerNormEps,
    max_position_embeddings: config.positionRows || config.relativeRows / 2,
    norm_rel_ebd: "layer_norm",
    num_attention_heads: config.numAttentionHeads,
    num_hidden_layers: config.numHiddenLayers,
    pad_token_id: config.padTokenId,
    position_biased_input: config.positionRows > 0,
    position_buckets: config.relativeRows / 2,
    relative_attention: true,
    share_att_key: true,
    type_vocab_size: config.typeVocabSize,
    vocab_size: config.vocabSize,
  }),
  create: (config, source) => new DebertaV2Model(config, source),
  heads: {},
  stack: "deberta",
  defaultTargets: { linear: ["query_proj", "value_proj"] },
  presets: {
    "deberta-v2-xxlarge": {
      architectures: ["DebertaV2Model"],
      num_hidden_layers: 48,
      position_biased_input: false,
      position_buckets: 256,
      conv_kernel_size: 3,
    },
  },
});
