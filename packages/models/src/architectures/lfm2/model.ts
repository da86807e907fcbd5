import { scope, type Tensor } from "@lowrank/core";
import { type Attend, Module, ModuleList, Residual, type UnaryModule, type VirtualTokens } from "@lowrank/nn";
import type { JsonFields } from "../../config/jsonFields.ts";
import { gatedUnit } from "../../layers/activation.ts";
import { rmsNorms } from "../../layers/rmsNorms.ts";
import { ShortConv } from "../../layers/shortConv.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { CausalLM, type ModelInputs } from "../../model/causalLM.ts";
import { outputLayer, ParameterPath, type ParameterSource } from "../../model/parameters.ts";
import { PromptedBatch } from "../../model/promptedBatch.ts";
import { forgets, runBlocks, type WantedRows, wantedRows } from "../../model/runBlocks.ts";
import { RotaryEmbedding } from "../../rope/rope.ts";
import { type DecoderConfig, decoderToHf, readDecoder } from "../llama/config.ts";
import { decoderSizes } from "../llama/model.ts";
import { RotaryAttention } from "../llama/rotaryAttention.ts";
import type { LlamaTraits, Rotate } from "../llama/traits.ts";

type Lfm2Layer = "conv" | "full_attention";

/** The config of an LFM2 model: the fields of Hugging Face's Lfm2Config in camelCase. */
export interface Lfm2Config extends DecoderConfig {
  modelType: "lfm2";
  normEps: number;
  convBias: boolean;
  /** Number of tokens that a convolution covers, including the current one. */
  convLCache: number;
  /**
   * True if the MLP width is two thirds of `intermediateSize` times `blockFfnDimMultiplier`, rounded up to a multiple
   * of `blockMultipleOf`. If false, it is `intermediateSize`.
   */
  blockAutoAdjustFfDim: boolean;
  blockFfnDimMultiplier: number;
  /** The adjusted MLP width is rounded up to a multiple of this value. */
  blockMultipleOf: number;
  layerTypes: Lfm2Layer[];
}

const defaults = {
  vocabSize: 65536,
  hiddenSize: 2560,
  intermediateSize: 12288,
  numKeyValueHeads: 8,
  maxPositionEmbeddings: 128_000,
  tieWordEmbeddings: true,
  bosTokenId: 1,
  eosTokenIds: [2],
  padTokenId: 0,
  rope: { theta: 1e6 },
};

function readTypes(fields: JsonFields, layers: number): Lfm2Layer[] {
  const types = fields.raw("layer_types");
  const isType = (type: unknown) => type === "conv" || type === "full_attention";
  if (types !== undefined) {
    if (Array.isArray(types) && types.length === layers && types.every(isType)) return types;
    throw fields.bad("layer_types", `"conv" or "full_attention" for each of ${layers} layers`);
  }
  const attending = fields.raw("full_attn_idxs") ?? Array.from({ length: layers }, (_, layer) => layer);
  if (!Array.isArray(attending) || !attending.every((layer) => Number.isInteger(layer) && layer >= 0)) {
    throw fields.bad("full_attn_idxs", "a list of layers by number, from 0");
  }
  return Array.from({ length: layers }, (_, layer) => (attending.includes(layer) ? "full_attention" : "conv"));
}

function readConfig(fields: JsonFields): Lfm2Config {
  const config = readDecoder(fields, "lfm2", defaults);
  return {
    ...config,
    // Older configs use these names.
    intermediateSize: fields.size("block_ff_dim", config.intermediateSize),
    tieWordEmbeddings: fields.boolean("tie_embedding", config.tieWordEmbeddings),
    hiddenAct: "silu",
    attentionDropout: 0,
    normEps: fields.epsilon("norm_eps", 1e-5),
    convBias: fields.boolean("conv_bias", false),
    convLCache: fields.size("conv_L_cache", 3),
    blockAutoAdjustFfDim: fields.boolean("block_auto_adjust_ff_dim", true),
    blockFfnDimMultiplier: fields.positive("block_ffn_dim_multiplier", 1),
    blockMultipleOf: fields.size("block_multiple_of", 256),
    layerTypes: readTypes(fields, config.numHiddenLayers),
  };
}

function writeConfig(config: Lfm2Config): Record<string, unknown> {
  const { hidden_act: _, attention_dropout: __, ...keys } = decoderToHf(config);
  return {
    ...keys,
    norm_eps: config.normEps,
    conv_bias: config.convBias,
    conv_L_cache: config.convLCache,
    block_auto_adjust_ff_dim: config.blockAutoAdjustFfDim,
    block_ffn_dim_multiplier: config.blockFfnDimMultiplier,
    block_multiple_of: config.blockMultipleOf,
    layer_types: config.layerTypes,
  };
}

/** Returns the width of the MLP. */
function mlpWidth({ intermediateSize, blockFfnDimMultiplier, blockMultipleOf, ...config }: Lfm2Config): number {
  if (!config.blockAutoAdjustFfDim) return intermediateSize;
  const width = Math.trunc(blockFfnDimMultiplier * Math.trunc((2 * intermediateSize) / 3));
  return blockMultipleOf * Math.ceil(width / blockMultipleOf);
}

function traits({ normEps }: Lfm2Config): LlamaTraits {
  return { norm: rmsNorms(normEps) };
}

/** Attention with a norm over each query head and each key head. */
class Lfm2Attention extends RotaryAttention {
  q_proj: UnaryModule;
  k_proj: UnaryModule;
  v_proj: UnaryModule;
  out_proj: UnaryModule;
  q_layernorm: UnaryModule;
  k_layernorm: UnaryModule;

  constructor(path: ParameterPath, config: Lfm2Config) {
    super(path, config, traits(config));
    const { hiddenSize, numAttentionHeads, numKeyValueHeads, headDim, normEps } = config;
    const norm = rmsNorms(normEps);
    this.q_proj = path.linear("q_proj", hiddenSize, numAttentionHeads * headDim, false);
    this.k_proj = path.linear("k_proj", hiddenSize, numKeyValueHeads * headDim, false);
    this.v_proj = path.linear("v_proj", hiddenSize, numKeyValueHeads * headDim, false);
    this.out_proj = path.linear("out_proj", numAttentionHeads * headDim, hiddenSize, false);
    this.q_layernorm = norm(path.at("q_layernorm"), headDim);
    this.k_layernorm = norm(path.at("k_layernorm"), headDim);
  }

  protected project(x: Tensor): [Tensor, Tensor, Tensor] {
    return [
      this.q_layernorm.forward(this.heads(this.q_proj.forward(x))),
      this.k_layernorm.forward(this.heads(this.k_proj.forward(x))),
      this.heads(this.v_proj.forward(x)),
    ];
  }

  protected output(attended: Tensor): Tensor {
    return this.out_proj.forward(attended);
  }
}

/** A gated MLP: w2(silu(w1(x)) * w3(x)). */
class Lfm2MLP extends Module {
  w1: UnaryModule;
  w3: UnaryModule;
  w2: UnaryModule;

  constructor(path: ParameterPath, config: Lfm2Config) {
    super();
    const [{ hiddenSize }, width] = [config, mlpWidth(config)];
    this.w1 = path.linear("w1", hiddenSize, width, false);
    this.w3 = path.linear("w3", hiddenSize, width, false);
    this.w2 = path.linear("w2", width, hiddenSize, false);
  }

  forward(x: Tensor): Tensor {
    return this.w2.forward(gatedUnit("silu", this.w1.forward(x), this.w3.forward(x)));
  }
}

/** A block with attention or with a short convolution. */
class Lfm2DecoderLayer extends Module {
  self_attn: Lfm2Attention | null;
  conv: ShortConv | null;
  feed_forward: UnaryModule;
  operator_norm: UnaryModule;
  ffn_norm: UnaryModule;
  operator_residual: Residual;
  mlp_residual: Residual;

  constructor(path: ParameterPath, config: Lfm2Config, layer: number) {
    super();
    const { hiddenSize, convLCache: taps, convBias: bias, normEps } = config;
    const attends = config.layerTypes[layer] === "full_attention";
    this.self_attn = attends ? new Lfm2Attention(path.at("self_attn"), config) : null;
    this.conv = attends ? null : new ShortConv(path.at("conv"), { hiddenSize, taps, bias });
    this.feed_forward = new Lfm2MLP(path.at("feed_forward"), config);
    this.operator_norm = rmsNorms(normEps)(path.at("operator_norm"), hiddenSize);
    this.ffn_norm = rmsNorms(normEps)(path.at("ffn_norm"), hiddenSize);
    this.operator_residual = new Residual();
    this.mlp_residual = new Residual();
  }

  forward(x: Tensor, layer: number, batch: PromptedBatch, attend: Attend, rotate: Rotate, wanted: WantedRows): Tensor {
    return scope(() => {
      const rows = this.operator_norm.forward(x);
      const made = this.conv?.forward(rows, layer, batch) ?? this.self_attn!.forward(rows, layer, attend, rotate);
      const h = wantedRows(this.operator_residual.forward(made, x), wanted);
      return this.mlp_residual.forward(this.feed_forward.forward(this.ffn_norm.forward(h)), h);
    });
  }
}

class Lfm2Model extends Module {
  embed_tokens: UnaryModule;
  layers: ModuleList<Lfm2DecoderLayer>;
  embedding_norm: UnaryModule;
  readonly #rotary: RotaryEmbedding;

  constructor(config: Lfm2Config, source: ParameterSource) {
    super();
    const path = new ParameterPath(source, "model");
    const { vocabSize, hiddenSize, padTokenId, layerTypes, rope, headDim, normEps } = config;
    this.embed_tokens = path.embedding("embed_tokens", vocabSize, hiddenSize, padTokenId);
    this.layers = new ModuleList(layerTypes.map((_, i) => new Lfm2DecoderLayer(path.at(`layers.${i}`), config, i)));
    this.embedding_norm = rmsNorms(normEps)(path.at("embedding_norm"), hiddenSize);
    this.#rotary = new RotaryEmbedding(rope, headDim, config.maxPositionEmbeddings);
  }

  forward(inputs: ModelInputs, virtualTokens: VirtualTokens | null, checkpointing: boolean, wanted: WantedRows) {
    return scope(() => {
      const { inputIds, cache } = inputs;
      const batch = new PromptedBatch(inputs, virtualTokens, { causal: true });
      const x = batch.embed(this.embed_tokens.forward(inputIds));
      const T = x.shape[1];
      const forget = forgets(this, checkpointing, cache);
      const hidden = runBlocks(this.layers, x, batch, { forget, wanted }, (attend) => {
        const rotate = this.#rotary.at(T, batch.offset, batch.positions(), cache?.holdsSeveral);
        return (block, h, layer, rows) => block.forward(h, layer, batch, attend, rotate, rows);
      });
      cache?.advance(T);
      return this.embedding_norm.forward(hidden);
    });
  }
}

/** LFM2 with a language-model head, like transformers' Lfm2ForCausalLM. */
class Lfm2ForCausalLM extends CausalLM {
  readonly config: Lfm2Config;
  model: Lfm2Model;
  lm_head: UnaryModule;

  constructor(config: Lfm2Config, source: ParameterSource) {
    const { attentionSizes, ...sizes } = decoderSizes(config);
    const { keyValueHeads, headDim } = attentionSizes;
    const perLayer = config.layerTypes.map((type) =>
      type === "conv" ? { keyValueHeads: 0, headDim, rowWidth: config.hiddenSize } : { keyValueHeads, headDim },
    );
    super({ ...sizes, attentionSizes: { ...attentionSizes, perLayer } });
    this.config = config;
    this.model = new Lfm2Model(config, source);
    this.lm_head = outputLayer(source, this.model.embed_tokens, config.tieWordEmbeddings);
  }

  hidden(inputs: ModelInputs, wanted: WantedRows = "all"): Tensor {
    return this.model.forward(inputs, this.virtualTokens, this.gradientCheckpointing, wanted);
  }
}

/** LFM2: most layers use short convolutions instead of attention. Liquid AI 2025, arXiv:2511.23404. */
export const lfm2: Architecture<Lfm2Config> = defineArchitecture({
  modelType: "lfm2",
  readConfig,
  writeConfig,
  heads: {
    causalLM: {
      className: "Lfm2ForCausalLM",
      module: "lm_head",
      create: (config, source) => new Lfm2ForCausalLM(config, source),
    },
  },
  stack: "model",
  gguf: async () => (await import("./gguf.ts")).lfm2Form(mlpWidth),
  defaultTargets: {
    linear: ["q_proj", "v_proj", "in_proj"],
    norm: ["operator_norm", "ffn_norm", "embedding_norm"],
    attention: ["self_attn"],
  },
  presets: {
    "lfm2-350m": {
      ...{ hidden_size: 1024, block_ff_dim: 6656, num_hidden_layers: 16, num_attention_heads: 16 },
      ...{ full_attn_idxs: [2, 5, 8, 10, 12, 14], eos_token_id: 7 },
    },
    "lfm2-1.2b": {
      ...{ hidden_size: 2048, block_ff_dim: 12288, num_hidden_layers: 16 },
      ...{ full_attn_idxs: [2, 5, 8, 10, 12, 14], eos_token_id: 7 },
    },
  },
});
