import { add, affine, rmsNorm, scope, type Tensor, tanh } from "@lowrank/core";
import { widen } from "@lowrank/core/internal";
import { type Attend, Module, Residual, RMSNorm, type UnaryModule } from "@lowrank/nn";
import type { JsonFields } from "../../config/jsonFields.ts";
import { type LayerType, readLayerTypes, windowOf } from "../../config/layerTypes.ts";
import type { ParameterPath } from "../../model/parameters.ts";
import { type WantedRows, wantedRows } from "../../model/runBlocks.ts";
import { decoderToHf, type FamilyDefaults, type LlamaFamilyConfig, readLlamaFamily } from "../llama/config.ts";
import { subLayers } from "../llama/model.ts";
import type { RotaryAttention } from "../llama/rotaryAttention.ts";
import type { DecoderLayer, LlamaTraits, MakePart, Rotate } from "../llama/traits.ts";

/** The config fields that Gemma 2 and 3 share. */
export interface GemmaConfig extends LlamaFamilyConfig {
  attentionBias: boolean;
  /** Attention scores are divided by the square root of this value. */
  queryPreAttnScalar: number;
  /** Number of positions that a token of a sliding-window layer attends to, including its own. */
  slidingWindow: number;
  layerTypes: LayerType[];
  attnLogitSoftcapping: number | null;
  finalLogitSoftcapping: number | null;
}

/** Defaults of transformers that differ between Gemma 2 and 3. */
interface GemmaDefaults extends FamilyDefaults {
  readonly attnLogitSoftcapping: number | null;
  readonly finalLogitSoftcapping: number | null;
  usualType(layer: number): LayerType;
}

/** Defaults that Gemma 2 and 3 share. */
export const gemmaDefaults = {
  hiddenSize: 2304,
  intermediateSize: 9216,
  numHiddenLayers: 26,
  numAttentionHeads: 8,
  numKeyValueHeads: 4,
  headDim: 256,
  activationKey: "hidden_activation",
  hiddenAct: "gelu_pytorch_tanh",
  tieWordEmbeddings: true,
  bosTokenId: 2,
  eosTokenIds: [1],
  padTokenId: 0,
} as const;

/** Reads the fields that the configs of Gemma 2 and 3 share. */
export function readGemma<T extends string>(
  fields: JsonFields,
  modelType: T,
  defaults: GemmaDefaults,
): GemmaConfig & { modelType: T } {
  if (fields.boolean("use_bidirectional_attention", false)) {
    throw fields.bad("use_bidirectional_attention", "false: a decoder is supported");
  }
  const config = readLlamaFamily(fields, modelType, defaults);
  const cap = (key: string, usual: number | null) =>
    fields.isNull(key) || (usual === null && fields.raw(key) === undefined)
      ? null
      : fields.positive(key, usual ?? undefined);
  return {
    ...config,
    attentionBias: fields.boolean("attention_bias", false),
    queryPreAttnScalar: fields.positive("query_pre_attn_scalar", 256),
    slidingWindow: fields.integer("sliding_window", 4096),
    layerTypes: readLayerTypes(fields, config.numHiddenLayers, defaults.usualType),
    attnLogitSoftcapping: cap("attn_logit_softcapping", defaults.attnLogitSoftcapping),
    finalLogitSoftcapping: cap("final_logit_softcapping", defaults.finalLogitSoftcapping),
  };
}

/** Returns the `config.json` keys of transformers 4 that Gemma 2 and 3 share. */
export function gemmaToHf(config: GemmaConfig): Record<string, unknown> {
  return {
    ...decoderToHf(config, gemmaDefaults.activationKey),
    attention_bias: config.attentionBias,
    attn_logit_softcapping: config.attnLogitSoftcapping,
    final_logit_softcapping: config.finalLogitSoftcapping,
    layer_types: config.layerTypes,
    query_pre_attn_scalar: config.queryPreAttnScalar,
    rms_norm_eps: config.rmsNormEps,
    sliding_window: config.slidingWindow,
  };
}

/** RMSNorm that multiplies by 1 + weight. */
class GemmaRMSNorm extends RMSNorm {
  override forward(x: Tensor): Tensor {
    return rmsNorm(x, add(widen(this.weight), 1), { eps: this.eps });
  }
}

/** A block with a norm before and after each sub-layer. */
class GemmaDecoderLayer extends Module implements DecoderLayer {
  self_attn: RotaryAttention;
  mlp: UnaryModule;
  input_layernorm: UnaryModule;
  post_attention_layernorm: UnaryModule;
  pre_feedforward_layernorm: UnaryModule;
  post_feedforward_layernorm: UnaryModule;
  attention_residual: Residual;
  mlp_residual: Residual;

  constructor(...[path, config, traits, layer]: Parameters<MakePart<DecoderLayer>>) {
    super();
    const { attention, mlp } = subLayers(path, config, traits, layer);
    const norm = (name: string) => traits.norm(path.at(name), config.hiddenSize);
    this.self_attn = attention;
    this.mlp = mlp;
    this.input_layernorm = norm("input_layernorm");
    this.post_attention_layernorm = norm("post_attention_layernorm");
    this.pre_feedforward_layernorm = norm("pre_feedforward_layernorm");
    this.post_feedforward_layernorm = norm("post_feedforward_layernorm");
    this.attention_residual = new Residual();
    this.mlp_residual = new Residual();
  }

  forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate, wanted: WantedRows): Tensor {
    return scope(() => {
      const attended = this.self_attn.forward(this.input_layernorm.forward(x), layer, attend, rotate);
      const h = wantedRows(this.attention_residual.forward(this.post_attention_layernorm.forward(attended), x), wanted);
      const made = this.mlp.forward(this.pre_feedforward_layernorm.forward(h));
      return this.mlp_residual.forward(this.post_feedforward_layernorm.forward(made), h);
    });
  }
}

/** Returns the differences of Gemma 2 or 3 from Llama. */
export function gemmaTraits(config: GemmaConfig): LlamaTraits {
  const { attentionBias, slidingWindow, layerTypes, finalLogitSoftcapping: cap } = config;
  return {
    norm: (path: ParameterPath, size: number) =>
      new GemmaRMSNorm(path.parameter("weight", [size], { value: 0 }), config.rmsNormEps),
    qkvBias: attentionBias,
    outputBias: attentionBias,
    window: windowOf(slidingWindow, layerTypes),
    attentionScale: config.queryPreAttnScalar ** -0.5,
    attentionSoftcap: config.attnLogitSoftcapping ?? undefined,
    embeddingScale: Math.fround(config.hiddenSize ** 0.5),
    logits: cap === null ? undefined : (x) => affine(tanh(affine(x, { scale: 1 / cap })), { scale: cap }),
    layer: (...part) => new GemmaDecoderLayer(...part),
  };
}
