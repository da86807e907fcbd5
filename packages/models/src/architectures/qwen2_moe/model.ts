import { add, mul, sigmoid, type Tensor } from "@lowrank/core";
import { Module, ModuleList, type UnaryModule } from "@lowrank/nn";
import type { ExpertLayers } from "@lowrank/nn/internal";
import type { JsonFields } from "../../config/jsonFields.ts";
import { rmsNorms } from "../../layers/rmsNorms.ts";
import { routedExperts } from "../../layers/routedExperts.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import type { ParameterPath } from "../../model/parameters.ts";
import { type LlamaFamilyConfig, llamaFamilyToHf, readLlamaFamily } from "../llama/config.ts";
import { LlamaMLP, llamaFamilyHeads, llamaTargets, withoutFrequencies } from "../llama/model.ts";
import type { LlamaTraits } from "../llama/traits.ts";
import { type QwenWindows, qwenWindow, qwenWindowsToHf, readQwenWindows } from "../qwen2/windows.ts";

/** The config of a Qwen2 MoE model: the fields of Hugging Face's Qwen2MoeConfig in camelCase. */
export interface Qwen2MoeConfig extends LlamaFamilyConfig, QwenWindows {
  modelType: "qwen2_moe";
  qkvBias: boolean;
  moeIntermediateSize: number;
  sharedExpertIntermediateSize: number;
  numExperts: number;
  numExpertsPerTok: number;
  /** True to scale the routing weights of a token's experts to a sum of 1. */
  normTopkProb: boolean;
  /** Every `decoderSparseStep`-th layer has experts. Default 1. */
  decoderSparseStep: number;
  /** Indices of layers without experts, even if `decoderSparseStep` selects them. */
  mlpOnlyLayers: number[];
}

const defaults = {
  vocabSize: 151936,
  hiddenSize: 2048,
  intermediateSize: 5632,
  numHiddenLayers: 24,
  numAttentionHeads: 16,
  numKeyValueHeads: 16,
  maxPositionEmbeddings: 32768,
  bosTokenId: null,
  eosTokenIds: [],
};

function readConfig(fields: JsonFields): Qwen2MoeConfig {
  const config = readLlamaFamily(fields, "qwen2_moe", defaults);
  const numExperts = fields.size("num_experts", 60);
  const numExpertsPerTok = fields.size("num_experts_per_tok", 4);
  if (numExpertsPerTok > numExperts) throw fields.bad("num_experts_per_tok", `at most num_experts ${numExperts}`);
  return {
    ...config,
    ...readQwenWindows(fields, config.numHiddenLayers, (layer, most) => layer % 2 === 0 && layer < most),
    qkvBias: fields.boolean("qkv_bias", true),
    moeIntermediateSize: fields.size("moe_intermediate_size", 1408),
    sharedExpertIntermediateSize: fields.size("shared_expert_intermediate_size", 5632),
    numExperts,
    numExpertsPerTok,
    normTopkProb: fields.boolean("norm_topk_prob", false),
    decoderSparseStep: fields.integer("decoder_sparse_step", 1),
    mlpOnlyLayers: fields.tokenIds("mlp_only_layers", []),
  };
}

class Qwen2MoeSparseMoeBlock extends Module implements ExpertLayers {
  gate: UnaryModule;
  experts: ModuleList<LlamaMLP>;
  shared_expert: LlamaMLP;
  shared_expert_gate: UnaryModule;
  readonly #routing: { perToken: number; normalises: boolean };

  constructor(path: ParameterPath, config: Qwen2MoeConfig) {
    super();
    const { hiddenSize, hiddenAct, numExperts, moeIntermediateSize, sharedExpertIntermediateSize } = config;
    const sizes = (intermediateSize: number) => ({ hiddenSize, intermediateSize, hiddenAct });
    this.gate = path.linear("gate", hiddenSize, numExperts, false);
    const indices = Array.from({ length: numExperts }, (_, i) => i);
    this.experts = new ModuleList(
      indices.map((i) => new LlamaMLP(path.at(`experts.${i}`), sizes(moeIntermediateSize))),
    );
    this.shared_expert = new LlamaMLP(path.at("shared_expert"), sizes(sharedExpertIntermediateSize));
    this.shared_expert_gate = path.linear("shared_expert_gate", hiddenSize, 1, false);
    this.#routing = { perToken: config.numExpertsPerTok, normalises: config.normTopkProb };
  }

  get stacked(): ExpertLayers["stacked"] {
    return { module: "mlp", parameters: { gate_up_proj: ["gate_proj", "up_proj"], down_proj: ["down_proj"] } };
  }

  forward(x: Tensor): Tensor {
    const routed = routedExperts(x, this.gate.forward(x), this.experts, this.#routing);
    return add(routed, mul(this.shared_expert.forward(x), sigmoid(this.shared_expert_gate.forward(x))));
  }
}

function traits(config: Qwen2MoeConfig): LlamaTraits {
  const { rmsNormEps, qkvBias, decoderSparseStep, mlpOnlyLayers } = config;
  const isSparse = (layer: number) => !mlpOnlyLayers.includes(layer) && (layer + 1) % decoderSparseStep === 0;
  return {
    norm: rmsNorms(rmsNormEps),
    qkvBias,
    window: qwenWindow(config),
    mlp: (path, _config, _traits, layer) =>
      isSparse(layer) ? new Qwen2MoeSparseMoeBlock(path, config) : new LlamaMLP(path, config),
  };
}

/**
 * Qwen1.5 and Qwen2 with routed experts and one shared expert that processes all tokens. Yang et al. 2024,
 * arXiv:2407.10671.
 */
export const qwen2Moe: Architecture<Qwen2MoeConfig> = defineArchitecture({
  modelType: "qwen2_moe",
  readConfig,
  writeConfig: (config) => ({
    ...llamaFamilyToHf(config),
    ...qwenWindowsToHf(config),
    decoder_sparse_step: config.decoderSparseStep,
    mlp_only_layers: config.mlpOnlyLayers,
    moe_intermediate_size: config.moeIntermediateSize,
    norm_topk_prob: config.normTopkProb,
    num_experts: config.numExperts,
    num_experts_per_tok: config.numExpertsPerTok,
    qkv_bias: config.qkvBias,
    shared_expert_intermediate_size: config.sharedExpertIntermediateSize,
  }),
  heads: llamaFamilyHeads("Qwen2Moe", traits),
  stack: "model",
  sanitize: withoutFrequencies,
  gguf: async () => (await import("./gguf.ts")).qwen2MoeForm(traits),
  defaultTargets: llamaTargets,
  presets: { "qwen1.5-moe-a2.7b": { max_position_embeddings: 8192, rope_theta: 1e6 } },
});
