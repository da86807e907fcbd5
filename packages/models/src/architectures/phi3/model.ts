import { slice, type Tensor } from "@lowrank/core";
import { type Attend, Module, type UnaryModule } from "@lowrank/nn";
import type { Activation } from "../../config/architectureConfig.ts";
import type { JsonFields } from "../../config/jsonFields.ts";
import { gatedUnit } from "../../layers/activation.ts";
import { rmsNorms } from "../../layers/rmsNorms.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import type { ParameterPath } from "../../model/parameters.ts";
import { type LlamaFamilyConfig, llamaFamilyToHf, readLlamaFamily } from "../llama/config.ts";
import { llamaFamilyHeads, withoutFrequencies } from "../llama/model.ts";
import { RotaryAttention } from "../llama/rotaryAttention.ts";
import type { LlamaTraits, Rotate } from "../llama/traits.ts";

/** The config of a Phi-3 model: the fields of Hugging Face's Phi3Config in camelCase. */
export interface Phi3Config extends LlamaFamilyConfig {
  modelType: "phi3";
  /** Dropout probability of sub-layer outputs in training. */
  residPdrop: number;
  originalMaxPositionEmbeddings: number;
  /** Number of positions that a token attends to, its own included; null for all. */
  slidingWindow: number | null;
}

const originalMaxPositionEmbeddings = 4096;

const defaults = {
  vocabSize: 32064,
  hiddenSize: 3072,
  intermediateSize: 8192,
  numKeyValueHeads: null,
  maxPositionEmbeddings: 4096,
  rmsNormEps: 1e-5,
  bosTokenId: 1,
  eosTokenIds: [32000],
  padTokenId: 32000,
  rope: { originalMaxPositionEmbeddings, kindNames: { su: "longrope", yarn: "longrope" } },
} as const;

function readConfig(fields: JsonFields): Phi3Config {
  return {
    ...readLlamaFamily(fields, "phi3", defaults),
    residPdrop: fields.probability("resid_pdrop", 0),
    originalMaxPositionEmbeddings: fields.integer("original_max_position_embeddings", originalMaxPositionEmbeddings),
    slidingWindow: fields.raw("sliding_window") === undefined ? null : fields.integer("sliding_window"),
  };
}

/** Attention with one combined projection to queries, keys and values. */
class Phi3Attention extends RotaryAttention {
  o_proj: UnaryModule;
  qkv_proj: UnaryModule;
  resid_dropout: UnaryModule;
  readonly #heads: readonly number[];

  constructor(path: ParameterPath, config: Phi3Config, traits: LlamaTraits) {
    super(path, config, traits);
    const { hiddenSize, numAttentionHeads: queries, numKeyValueHeads: keys, headDim } = config;
    this.#heads = [0, queries, queries + keys];
    this.o_proj = path.linear("o_proj", queries * headDim, hiddenSize, false);
    this.qkv_proj = path.linear("qkv_proj", hiddenSize, (queries + 2 * keys) * headDim, false);
    this.resid_dropout = path.dropout("resid_dropout", config.residPdrop);
  }

  protected output(attended: Tensor): Tensor {
    return this.o_proj.forward(attended);
  }

  protected project(x: Tensor): [Tensor, Tensor, Tensor] {
    const all = this.heads(this.qkv_proj.forward(x));
    const part = (i: number) => slice(all, { dim: 2, start: this.#heads[i], end: this.#heads[i + 1] });
    return [part(0), part(1), part(2)];
  }

  override forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate): Tensor {
    return this.resid_dropout.forward(super.forward(x, layer, attend, rotate));
  }
}

/** A gated MLP with one combined projection for gate and up. */
class Phi3MLP extends Module {
  gate_up_proj: UnaryModule;
  down_proj: UnaryModule;
  resid_dropout: UnaryModule;
  readonly #activation: Activation;

  constructor(path: ParameterPath, { hiddenSize, intermediateSize, hiddenAct, residPdrop }: Phi3Config) {
    super();
    this.gate_up_proj = path.linear("gate_up_proj", hiddenSize, 2 * intermediateSize, false);
    this.down_proj = path.linear("down_proj", intermediateSize, hiddenSize, false);
    this.resid_dropout = path.dropout("resid_dropout", residPdrop);
    this.#activation = hiddenAct;
  }

  forward(x: Tensor): Tensor {
    const both = this.gate_up_proj.forward(x);
    const half = both.shape[2] / 2;
    const [gate, up] = [0, half].map((start) => slice(both, { dim: 2, start, end: start + half }));
    return this.resid_dropout.forward(this.down_proj.forward(gatedUnit(this.#activation, gate, up)));
  }
}

function traits(config: Phi3Config): LlamaTraits {
  const { slidingWindow: size, rmsNormEps } = config;
  return {
    norm: rmsNorms(rmsNormEps),
    window: size === null ? undefined : { size, has: () => true },
    attention: (path, _config, traits) => new Phi3Attention(path, config, traits),
    mlp: (path) => new Phi3MLP(path, config),
  };
}

/** Phi-3 and Phi-4: Llama with combined projections. Abdin et al. 2024, arXiv:2404.14219. */
export const phi3: Architecture<Phi3Config> = defineArchitecture({
  modelType: "phi3",
  readConfig,
  writeConfig: (config) => ({
    ...llamaFamilyToHf(config),
    original_max_position_embeddings: config.originalMaxPositionEmbeddings,
    resid_pdrop: config.residPdrop,
    sliding_window: config.slidingWindow,
  }),
  heads: llamaFamilyHeads("Phi3", traits),
  stack: "model",
  sanitize: withoutFrequencies,
  gguf: async () => (await import("./gguf.ts")).phi3Form,
  defaultTargets: {
    linear: ["qkv_proj"],
    norm: ["input_layernorm", "post_attention_layernorm", "norm"],
    attention: ["self_attn"],
  },
  presets: { "phi-3-mini": { sliding_window: 2047 } },
});
