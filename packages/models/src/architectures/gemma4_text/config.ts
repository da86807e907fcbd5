import type { JsonFields } from "../../config/jsonFields.ts";
import { type LayerType, readLayerTypes } from "../../config/layerTypes.ts";
import { type RopeConfig, ropeFrom, ropeToHf } from "../../rope/ropeConfig.ts";
import { decoderToHf, type FamilyDefaults, type LlamaFamilyConfig, readLlamaFamily } from "../llama/config.ts";

/** Head size, and number of key and value heads, in the layers of one type. */
interface Gemma4Heads {
  headDim: number;
  numKeyValueHeads: number;
}

/** Sizes of the routed experts of a block. */
export interface Gemma4Experts {
  numExperts: number;
  topKExperts: number;
  moeIntermediateSize: number;
}

/**
 * The config of a Gemma 4 text model: the fields of Hugging Face's Gemma4TextConfig in camelCase. `headDim` and
 * `numKeyValueHeads` apply to sliding-window layers, `rope` to full-attention layers.
 */
export interface Gemma4TextConfig extends LlamaFamilyConfig {
  modelType: "gemma4_text";
  attentionBias: boolean;
  /**
   * True if full-attention layers use the output of the key projection as values, so that they have no value
   * projection.
   */
  attentionKEqV: boolean;
  /** Number of positions that a token of a sliding-window layer attends to, including its own. */
  slidingWindow: number;
  layerTypes: LayerType[];
  /** Head size and number of key and value heads of full-attention layers. */
  globalHeads: Gemma4Heads;
  /** The rotary embedding of sliding-window layers. */
  localRope: RopeConfig;
  finalLogitSoftcapping: number | null;
  /** Width of the per-layer token embeddings; 0 for none. */
  hiddenSizePerLayerInput: number;
  vocabSizePerLayerInput: number;
  /** Number of layers at the end that reuse the keys and values of earlier layers instead of computing their own. */
  numKvSharedLayers: number;
  /** True if the MLPs of the last `numKvSharedLayers` layers are twice as wide. */
  useDoubleWideMlp: boolean;
  /** Settings of the routed experts; null for a model without experts. */
  experts: Gemma4Experts | null;
}

const defaults: FamilyDefaults = {
  vocabSize: 262144,
  hiddenSize: 2304,
  intermediateSize: 9216,
  numHiddenLayers: 30,
  numAttentionHeads: 8,
  numKeyValueHeads: 4,
  headDim: 256,
  activationKey: "hidden_activation",
  hiddenAct: "gelu_pytorch_tanh",
  maxPositionEmbeddings: 131072,
  tieWordEmbeddings: true,
  bosTokenId: 2,
  eosTokenIds: [1],
  padTokenId: 0,
};

const ownWidth = "hidden_size_per_layer_input";

const every: LayerType[] = ["full_attention", "sliding_attention"];

export function readGemma4Config(fields: JsonFields): Gemma4TextConfig {
  // "vision" only affects image tokens, so it is accepted.
  if (![undefined, "vision"].includes(fields.raw("use_bidirectional_attention") as undefined)) {
    throw fields.bad("use_bidirectional_attention", 'null or "vision": a decoder is supported');
  }
  const { rope: _, ...config } = readLlamaFamily(fields, "gemma4_text", defaults);
  const layers = config.numHiddenLayers;
  const layerTypes = readLayerTypes(fields, layers, (layer) => every[(layer + 1) % 6 === 0 ? 0 : 1]);
  // As in transformers, the last layer has full attention even if the config lists another type.
  layerTypes[layers - 1] = "full_attention";
  const attentionKEqV = fields.boolean("attention_k_eq_v", false);
  const numKvSharedLayers = fields.integer("num_kv_shared_layers", 0, 0);
  if (numKvSharedLayers >= layers) {
    throw fields.bad("num_kv_shared_layers", `fewer than num_hidden_layers ${layers}: a model with its own keys`);
  }
  const own = new Set(layerTypes.slice(0, layers - numKvSharedLayers));
  const missing = layerTypes.find((type) => !own.has(type));
  if (missing)
    throw fields.bad("num_kv_shared_layers", `a number that leaves a layer of type ${missing} keys of its own`);
  const [globalHeads, localHeads] = readHeads(fields, { ...config, layerTypes, attentionKEqV });
  const hiddenSizePerLayerInput = fields.raw(ownWidth) === 0 ? 0 : fields.size(ownWidth, 256);
  const vocabSizePerLayerInput = fields.size("vocab_size_per_layer_input", 262144);
  if (hiddenSizePerLayerInput > 0 && vocabSizePerLayerInput < config.vocabSize) {
    throw fields.bad("vocab_size_per_layer_input", `at least vocab_size ${config.vocabSize}`);
  }
  const sizes = { layerTypes, maxPositionEmbeddings: config.maxPositionEmbeddings };
  return {
    ...config,
    ...localHeads,
    rope: readRopeOf(fields, "full_attention", globalHeads.headDim, sizes),
    attentionBias: fields.boolean("attention_bias", false),
    attentionKEqV,
    slidingWindow: fields.integer("sliding_window", 512),
    layerTypes,
    globalHeads,
    localRope: readRopeOf(fields, "sliding_attention", localHeads.headDim, sizes),
    finalLogitSoftcapping:
      fields.raw("final_logit_softcapping") === undefined ? null : fields.positive("final_logit_softcapping"),
    hiddenSizePerLayerInput,
    vocabSizePerLayerInput,
    numKvSharedLayers,
    useDoubleWideMlp: fields.boolean("use_double_wide_mlp", false),
    experts: fields.boolean("enable_moe_block", false) ? readExperts(fields) : null,
  };
}

function readExperts(fields: JsonFields): Gemma4Experts {
  const numExperts = fields.size("num_experts");
  const topKExperts = fields.size("top_k_experts");
  if (topKExperts > numExperts) throw fields.bad("top_k_experts", `at most num_experts ${numExperts}`);
  return { numExperts, topKExperts, moeIntermediateSize: fields.size("moe_intermediate_size") };
}

/**
 * Returns two entries, first for full-attention layers, then for sliding-window layers: the head size, and the number
 * of key and value heads. Throws if they do not fit the model's other sizes.
 */
function readHeads(
  fields: JsonFields,
  config: Pick<Gemma4TextConfig, "headDim" | "numKeyValueHeads" | "numAttentionHeads" | "layerTypes" | "attentionKEqV">,
): Gemma4Heads[] {
  const { headDim, numKeyValueHeads, numAttentionHeads, layerTypes, attentionKEqV } = config;
  const perLayer = fields.object("per_layer_config");
  const heads = every.map((type) => {
    if (perLayer) return readLayerHeads(perLayer, type, config);
    if (type === "sliding_attention") return { headDim, numKeyValueHeads };
    const usual = attentionKEqV ? fields.size("num_global_key_value_heads", numKeyValueHeads) : numKeyValueHeads;
    return { headDim: fields.size("global_head_dim", 512), numKeyValueHeads: usual };
  });
  for (const [i, { headDim, numKeyValueHeads }] of heads.entries()) {
    if (!layerTypes.includes(every[i]) || (headDim % 2 === 0 && numAttentionHeads % numKeyValueHeads === 0)) continue;
    throw new Error(
      `${fields.where}: layers of type ${every[i]} have ${numKeyValueHeads} key heads of size ${headDim}; their number must divide num_attention_heads ${numAttentionHeads}, and their size must be even`,
    );
  }
  return heads;
}

/**
 * Reads the head size and the number of key and value heads of the layers of one type. `perLayer` is the config's
 * `per_layer_config`; a layer that it does not list has the values in the third argument. Throws if two layers of the
 * type have different values.
 */
function readLayerHeads(
  perLayer: JsonFields,
  type: LayerType,
  { headDim, numKeyValueHeads, layerTypes }: Gemma4Heads & Pick<Gemma4TextConfig, "layerTypes">,
): Gemma4Heads {
  const layers = layerTypes.flatMap((found, layer) => (found === type ? [String(layer)] : []));
  const all = layers.map((layer) => {
    const own = perLayer.object(layer);
    const known = ["head_dim", "num_key_value_heads"];
    if (Object.keys(perLayer.raw(layer) ?? {}).some((key) => !known.includes(key))) {
      throw perLayer.bad(layer, `${known.join(" and ")} alone, which are supported`);
    }
    return {
      headDim: own?.size("head_dim", headDim) ?? headDim,
      numKeyValueHeads: own?.size("num_key_value_heads", numKeyValueHeads) ?? numKeyValueHeads,
    };
  });
  const [first = { headDim, numKeyValueHeads }] = all;
  const other = all.findIndex((one) => JSON.stringify(one) !== JSON.stringify(first));
  if (other >= 0) throw perLayer.bad(layers[other], `the sizes of layer ${layers[0]}, of the same type`);
  return first;
}

function readRopeOf(
  fields: JsonFields,
  type: LayerType,
  headDim: number,
  { layerTypes, maxPositionEmbeddings }: Pick<Gemma4TextConfig, "layerTypes" | "maxPositionEmbeddings">,
): RopeConfig {
  const byType = fields.object("rope_parameters");
  const parameters = byType?.object(type);
  if (byType && !parameters && layerTypes.includes(type)) {
    throw fields.bad("rope_parameters", `settings of ${type} among them`);
  }
  if (!parameters) {
    return type === "full_attention"
      ? {
          theta: 1e6,
          partialRotaryFactor: 1,
          scaling: { type: "proportional", factor: 1, partialRotaryFactor: 0.25 },
        }
      : { theta: 10000, partialRotaryFactor: 1, scaling: null };
  }
  const rope = ropeFrom(parameters, parameters, { headDim, maxPositionEmbeddings });
  if (rope.partialRotaryFactor === 1) return rope;
  throw parameters.bad("partial_rotary_factor", '1, or rope_type "proportional"');
}

export function gemma4ToHf(config: Gemma4TextConfig): Record<string, unknown> {
  const { rope_theta: _, rope_scaling: __, ...keys } = decoderToHf(config, defaults.activationKey);
  const { globalHeads, experts } = config;
  const ropeOf = (rope: RopeConfig) => {
    const { rope_theta, rope_scaling } = ropeToHf(rope);
    return { rope_type: "default", ...(rope_scaling as object | null), rope_theta };
  };
  const differing = {
    head_dim: globalHeads.headDim,
    num_key_value_heads: globalHeads.numKeyValueHeads,
  };
  return {
    ...keys,
    attention_bias: config.attentionBias,
    attention_k_eq_v: config.attentionKEqV,
    enable_moe_block: experts !== null,
    final_logit_softcapping: config.finalLogitSoftcapping,
    global_head_dim: globalHeads.headDim,
    hidden_size_per_layer_input: config.hiddenSizePerLayerInput,
    layer_types: config.layerTypes,
    num_global_key_value_heads: globalHeads.numKeyValueHeads,
    num_kv_shared_layers: config.numKvSharedLayers,
    per_layer_config: Object.fromEntries(
      config.layerTypes.flatMap((type, layer) => (type === "full_attention" ? [[layer, differing]] : [])),
    ),
    rms_norm_eps: config.rmsNormEps,
    rope_parameters: { full_attention: ropeOf(config.rope), sliding_attention: ropeOf(config.localRope) },
    sliding_window: config.slidingWindow,
    use_bidirectional_attention: null,
    use_double_wide_mlp: config.useDoubleWideMlp,
    vocab_size_per_layer_input: config.vocabSizePerLayerInput,
    ...(experts && {
      moe_intermediate_size: experts.moeIntermediateSize,
      num_experts: experts.numExperts,
      top_k_experts: experts.topKExperts,
    }),
  };
}
