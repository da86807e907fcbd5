import { cat, mul, layerNorm as normalise, ones, reshape, scope, type Tensor, zeros } from "@lowrank/core";
import { widen } from "@lowrank/core/internal";
import { type Attend, Module, ModuleList, Residual, type UnaryModule } from "@lowrank/nn";
import type { JsonFields } from "../../config/jsonFields.ts";
import { layerNorm, ScaledLayerNorm } from "../../layers/layerNorm.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import type { ParameterPath } from "../../model/parameters.ts";
import { type WantedRows, wantedRows } from "../../model/runBlocks.ts";
import { type DecoderConfig, decoderToHf, readDecoder } from "../llama/config.ts";
import { LlamaAttention, llamaFamilyHeads, llamaTargets, subLayers, withoutFrequencies } from "../llama/model.ts";
import type { RotaryAttention } from "../llama/rotaryAttention.ts";
import type { DecoderLayer, LlamaTraits, Rotate } from "../llama/traits.ts";

/** The config of a StableLM model: the fields of Hugging Face's StableLmConfig in camelCase. */
export interface StableLmConfig extends DecoderConfig {
  modelType: "stablelm";
  layerNormEps: number;
  useQkvBias: boolean;
  /** True if each query head and each key head has its own LayerNorm. */
  qkLayernorm: boolean;
  /** True if attention and the MLP of a block run in parallel on the same input. */
  useParallelResidual: boolean;
  /** Dropout probability of the MLP output in training. */
  hiddenDropout: number;
}

const defaults = {
  vocabSize: 50304,
  hiddenSize: 2560,
  intermediateSize: 6912,
  numKeyValueHeads: 32,
  maxPositionEmbeddings: 4096,
  bosTokenId: 0,
  eosTokenIds: [0],
  rope: { partialRotaryFactor: 0.25 },
};

function readConfig(fields: JsonFields): StableLmConfig {
  return {
    ...readDecoder(fields, "stablelm", defaults),
    layerNormEps: fields.epsilon("layer_norm_eps", 1e-5),
    useQkvBias: fields.boolean("use_qkv_bias", false),
    qkLayernorm: fields.boolean("qk_layernorm", false),
    useParallelResidual: fields.boolean("use_parallel_residual", false),
    hiddenDropout: fields.probability("hidden_dropout", 0),
  };
}

/** One LayerNorm without bias per head, each with its own weight. */
class HeadNorms extends Module {
  norms: ModuleList<ScaledLayerNorm>;
  readonly #eps: number;

  constructor(path: ParameterPath, heads: number, headDim: number, eps: number) {
    super();
    const indices = Array.from({ length: heads }, (_, i) => i);
    this.norms = new ModuleList(indices.map((i) => new ScaledLayerNorm(path.at(`norms.${i}`), headDim, eps)));
    this.#eps = eps;
  }

  /** Normalises each head of [B, T, H, d]. */
  forward(x: Tensor): Tensor {
    const [, , H, d] = x.shape;
    const { backend } = x.storage;
    const weights = reshape(cat([...this.norms].map(({ weight }) => widen(weight))), [H, d]);
    return mul(normalise(x, ones([d], { backend }), zeros([d], { backend }), { eps: this.#eps }), weights);
  }
}

/** Llama's attention with a separate norm for each query head and each key head. */
class HeadNormedAttention extends LlamaAttention {
  q_layernorm: HeadNorms;
  k_layernorm: HeadNorms;

  constructor(path: ParameterPath, config: StableLmConfig, traits: LlamaTraits) {
    super(path, config, traits);
    const { numAttentionHeads, numKeyValueHeads, headDim, layerNormEps } = config;
    this.q_layernorm = new HeadNorms(path.at("q_layernorm"), numAttentionHeads, headDim, layerNormEps);
    this.k_layernorm = new HeadNorms(path.at("k_layernorm"), numKeyValueHeads, headDim, layerNormEps);
  }

  protected override project(x: Tensor): [Tensor, Tensor, Tensor] {
    const [q, k, v] = super.project(x);
    return [this.q_layernorm.forward(q), this.k_layernorm.forward(k), v];
  }
}

/**
 * A decoder block. Its MLP reads the same normed input as attention if `useParallelResidual` is true, otherwise the
 * output of attention.
 */
class StableLmDecoderLayer extends Module implements DecoderLayer {
  self_attn: RotaryAttention;
  mlp: UnaryModule;
  input_layernorm: UnaryModule;
  post_attention_layernorm?: UnaryModule;
  dropout: UnaryModule;
  attention_residual: Residual;
  mlp_residual: Residual;

  constructor(path: ParameterPath, config: StableLmConfig, traits: LlamaTraits, layer: number) {
    super();
    const { attention, mlp } = subLayers(path, config, traits, layer);
    this.self_attn = attention;
    this.mlp = mlp;
    this.input_layernorm = traits.norm(path.at("input_layernorm"), config.hiddenSize);
    if (!config.useParallelResidual) {
      this.post_attention_layernorm = traits.norm(path.at("post_attention_layernorm"), config.hiddenSize);
    }
    this.dropout = path.dropout("dropout", config.hiddenDropout);
    this.attention_residual = new Residual();
    this.mlp_residual = new Residual();
  }

  forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate, wanted: WantedRows): Tensor {
    return scope(() => {
      const normed = this.input_layernorm.forward(x);
      const attended = this.self_attn.forward(normed, layer, attend, rotate);
      const h = wantedRows(this.attention_residual.forward(attended, x), wanted);
      const rows = this.post_attention_layernorm?.forward(h) ?? wantedRows(normed, wanted);
      return this.mlp_residual.forward(this.dropout.forward(this.mlp.forward(rows)), h);
    });
  }
}

function traits(config: StableLmConfig): LlamaTraits {
  return {
    norm: (path, size) => layerNorm(path, "", size, config.layerNormEps),
    qkvBias: config.useQkvBias,
    attention: config.qkLayernorm
      ? (path, _config, traits) => new HeadNormedAttention(path, config, traits)
      : undefined,
    layer: (path, _config, traits, layer) => new StableLmDecoderLayer(path, config, traits, layer),
  };
}

/** StableLM: Llama with LayerNorm and a partial rotary embedding. */
export const stablelm: Architecture<StableLmConfig> = defineArchitecture({
  modelType: "stablelm",
  readConfig,
  writeConfig: ({ rope, ...config }) => ({
    ...decoderToHf({ rope, ...config }),
    hidden_dropout: config.hiddenDropout,
    layer_norm_eps: config.layerNormEps,
    partial_rotary_factor: rope.partialRotaryFactor,
    qk_layernorm: config.qkLayernorm,
    use_parallel_residual: config.useParallelResidual,
    use_qkv_bias: config.useQkvBias,
  }),
  heads: llamaFamilyHeads("StableLm", traits),
  stack: "model",
  sanitize: withoutFrequencies,
  gguf: async () => (await import("./gguf.ts")).stablelmForm(traits),
  defaultTargets: llamaTargets,
  presets: {
    "stablelm-2-1.6b": {
      ...{ vocab_size: 100352, hidden_size: 2048, intermediate_size: 5632, num_hidden_layers: 24 },
      ...{ num_attention_heads: 32, num_key_value_heads: 32, use_qkv_bias: true, eos_token_id: 100257 },
    },
  },
});
