import { scope, type Tensor } from "@lowrank/core";
import { type Attend, Module, ModuleList, Residual, type UnaryModule } from "@lowrank/nn";
import type { ExpertLayers } from "@lowrank/nn/internal";
import type { Activation } from "../../config/architectureConfig.ts";
import type { JsonFields } from "../../config/jsonFields.ts";
import { gatedUnit } from "../../layers/activation.ts";
import { rmsNorms } from "../../layers/rmsNorms.ts";
import { routedExperts } from "../../layers/routedExperts.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import type { ParameterPath } from "../../model/parameters.ts";
import { type WantedRows, wantedRows } from "../../model/runBlocks.ts";
import { type LlamaFamilyConfig, llamaFamilyToHf, readLlamaFamily } from "../llama/config.ts";
import { LlamaAttention, llamaFamilyHeads, llamaTargets, withoutFrequencies } from "../llama/model.ts";
import type { RotaryAttention } from "../llama/rotaryAttention.ts";
import type { DecoderLayer, LlamaTraits, Rotate } from "../llama/traits.ts";

/** The config of a Mixtral model: the fields of Hugging Face's MixtralConfig in camelCase. */
export interface MixtralConfig extends LlamaFamilyConfig {
  modelType: "mixtral";
  numLocalExperts: number;
  numExpertsPerTok: number;
  /** Number of positions that a token attends to, its own included; null for all. */
  slidingWindow: number | null;
}

const defaults = {
  vocabSize: 32000,
  intermediateSize: 14336,
  numKeyValueHeads: 8,
  maxPositionEmbeddings: 131072,
  rmsNormEps: 1e-5,
  bosTokenId: 1,
  eosTokenIds: [2],
  rope: { theta: 1e6 },
};

function readConfig(fields: JsonFields): MixtralConfig {
  const numLocalExperts = fields.size("num_local_experts", 8);
  const numExpertsPerTok = fields.size("num_experts_per_tok", 2);
  if (numExpertsPerTok > numLocalExperts) {
    throw fields.bad("num_experts_per_tok", `at most num_local_experts ${numLocalExperts}`);
  }
  return {
    ...readLlamaFamily(fields, "mixtral", defaults),
    numLocalExperts,
    numExpertsPerTok,
    slidingWindow: fields.raw("sliding_window") === undefined ? null : fields.integer("sliding_window"),
  };
}

class MixtralExpert extends Module {
  w1: UnaryModule;
  w2: UnaryModule;
  w3: UnaryModule;
  readonly #activation: Activation;

  constructor(path: ParameterPath, { hiddenSize, intermediateSize, hiddenAct }: MixtralConfig) {
    super();
    this.w1 = path.linear("w1", hiddenSize, intermediateSize, false);
    this.w2 = path.linear("w2", intermediateSize, hiddenSize, false);
    this.w3 = path.linear("w3", hiddenSize, intermediateSize, false);
    this.#activation = hiddenAct;
  }

  forward(x: Tensor): Tensor {
    return this.w2.forward(gatedUnit(this.#activation, this.w1.forward(x), this.w3.forward(x)));
  }
}

class MixtralSparseMoeBlock extends Module implements ExpertLayers {
  gate: UnaryModule;
  experts: ModuleList<MixtralExpert>;
  readonly #perToken: number;

  constructor(path: ParameterPath, config: MixtralConfig) {
    super();
    const { hiddenSize, numLocalExperts, numExpertsPerTok } = config;
    this.gate = path.linear("gate", hiddenSize, numLocalExperts, false);
    const indices = Array.from({ length: numLocalExperts }, (_, i) => i);
    this.experts = new ModuleList(indices.map((i) => new MixtralExpert(path.at(`experts.${i}`), config)));
    this.#perToken = numExpertsPerTok;
  }

  get stacked(): ExpertLayers["stacked"] {
    return { module: "mlp", parameters: { gate_up_proj: ["w1", "w3"], down_proj: ["w2"] } };
  }

  forward(x: Tensor): Tensor {
    return routedExperts(x, this.gate.forward(x), this.experts, { perToken: this.#perToken, normalises: true });
  }
}

class MixtralDecoderLayer extends Module implements DecoderLayer {
  self_attn: RotaryAttention;
  block_sparse_moe: MixtralSparseMoeBlock;
  input_layernorm: UnaryModule;
  post_attention_layernorm: UnaryModule;
  attention_residual: Residual;
  mlp_residual: Residual;

  constructor(path: ParameterPath, config: MixtralConfig, traits: LlamaTraits) {
    super();
    this.self_attn = new LlamaAttention(path.at("self_attn"), config, traits);
    this.block_sparse_moe = new MixtralSparseMoeBlock(path.at("block_sparse_moe"), config);
    this.input_layernorm = traits.norm(path.at("input_layernorm"), config.hiddenSize);
    this.post_attention_layernorm = traits.norm(path.at("post_attention_layernorm"), config.hiddenSize);
    this.attention_residual = new Residual();
    this.mlp_residual = new Residual();
  }

  forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate, wanted: WantedRows): Tensor {
    return scope(() => {
      const attended = this.self_attn.forward(this.input_layernorm.forward(x), layer, attend, rotate);
      const h = wantedRows(this.attention_residual.forward(attended, x), wanted);
      return this.mlp_residual.forward(this.block_sparse_moe.forward(this.post_attention_layernorm.forward(h)), h);
    });
  }
}

function traits(config: MixtralConfig): LlamaTraits {
  const { rmsNormEps, slidingWindow: size } = config;
  return {
    norm: rmsNorms(rmsNormEps),
    window: size === null ? undefined : { size, has: () => true },
    layer: (path, _config, traits) => new MixtralDecoderLayer(path, config, traits),
  };
}

/** Mixtral: Llama with routed experts instead of the MLP. Jiang et al. 2024, arXiv:2401.04088. */
export const mixtral: Architecture<MixtralConfig> = defineArchitecture({
  modelType: "mixtral",
  readConfig,
  writeConfig: (config) => ({
    ...llamaFamilyToHf(config),
    num_experts_per_tok: config.numExpertsPerTok,
    num_local_experts: config.numLocalExperts,
    sliding_window: config.slidingWindow,
  }),
  heads: llamaFamilyHeads("Mixtral", traits),
  stack: "model",
  sanitize: withoutFrequencies,
  gguf: async () => (await import("./gguf.ts")).mixtralForm(traits),
  defaultTargets: llamaTargets,
  presets: { "mixtral-8x7b": { max_position_embeddings: 32768 } },
});
