import type { JsonFields } from "../../config/jsonFields.ts";
import type { LayerType } from "../../config/layerTypes.ts";
import type { GgufForm, GgufParts } from "../../gguf/ggufForm.ts";
import { decimal, f32, notInGguf, u32 } from "../../gguf/ggufValues.ts";
import type { GgufValue } from "../../gguf/writeGguf.ts";
import type { RopeConfig } from "../../rope/ropeConfig.ts";
import { decoderMetadata, readDecoderGguf } from "../llama/ggufFields.ts";
import type { Gemma4TextConfig } from "./config.ts";
import { gemma4Tensors, mlpWidths } from "./ggufTensors.ts";
import { keySources } from "./parts.ts";

const activation = "gelu_pytorch_tanh";

const keys = {
  epsilon: "attention.layer_norm_rms_epsilon",
  window: "attention.sliding_window",
  pattern: "attention.sliding_window_pattern",
  shared: "attention.shared_kv_layers",
  keyValueHeads: "attention.head_count_kv",
  width: "feed_forward_length",
  headDim: "attention.key_length_swa",
  valueDim: "attention.value_length_swa",
  rotaryDim: "rope.dimension_count_swa",
  theta: "rope.freq_base_swa",
  ownWidth: "embedding_length_per_layer_input",
  cap: "final_logit_softcapping",
};

/** Throws for settings that have no GGUF key, or for which llama.cpp assumes another value. */
function refuse(config: Gemma4TextConfig): void {
  const { hiddenAct, attentionBias, localRope, layerTypes, numKvSharedLayers, vocabSize } = config;
  if (hiddenAct !== activation) throw notInGguf("hidden_activation", hiddenAct, `${activation} for a gemma4_text`);
  if (attentionBias) throw notInGguf("attention_bias", true, "false");
  if (localRope.scaling) throw notInGguf("rope_type of sliding_attention", localRope.scaling.type, "default");
  if (config.hiddenSizePerLayerInput > 0 && config.vocabSizePerLayerInput !== vocabSize) {
    throw notInGguf("vocab_size_per_layer_input", config.vocabSizePerLayerInput, `vocab_size, ${vocabSize}`);
  }
  const last = layerTypes.length - numKvSharedLayers - 1;
  const source = { full_attention: last, sliding_attention: last - 1 };
  if (keySources(config).some((found, layer) => found !== null && found !== source[layerTypes[layer]])) {
    throw notInGguf(
      "num_kv_shared_layers",
      numKvSharedLayers,
      "layers behind one of sliding_attention and one of full_attention, whose keys they take",
    );
  }
}

/**
 * Converts a list with one number per layer to a GGUF metadata value. If all layers have the same number, the value is
 * that number; otherwise it is the list.
 */
function ofLayers(numbers: readonly number[]): GgufValue {
  const [first] = numbers;
  return numbers.every((number) => number === first) ? u32(first) : { type: "i32s", value: numbers };
}

/**
 * Reads a metadata value as a list with one number per layer. The file stores the list, or a single number that applies
 * to all layers.
 */
function readOfLayers(metadata: JsonFields, key: string, layers: number): number[] {
  const found = metadata.raw(key);
  if (!Array.isArray(found)) return new Array(layers).fill(metadata.integer(key));
  if (found.length === layers && found.every((number) => Number.isSafeInteger(number) && number > 0)) return found;
  throw metadata.bad(key, `a number, or one for each of ${layers} layers`);
}

function readLayerTypes(metadata: JsonFields, key: string, layers: number): LayerType[] {
  const found = metadata.raw(key);
  const slides = Array.isArray(found) ? found.map(Number) : [];
  if (slides.length !== layers || slides.some((one) => one !== 0 && one !== 1) || slides[layers - 1] === 1) {
    throw metadata.bad(key, `true or false for each of ${layers} layers, and false for the last`);
  }
  return slides.map((one) => (one === 1 ? "sliding_attention" : "full_attention"));
}

/** Reads the number of key and value heads for each layer type. */
function readKeyValueHeads(metadata: JsonFields, key: string, types: readonly LayerType[]): Record<LayerType, number> {
  const all = readOfLayers(metadata, key, types.length);
  const of = (type: LayerType) => all[Math.max(0, types.indexOf(type))];
  const heads = { full_attention: of("full_attention"), sliding_attention: of("sliding_attention") };
  if (all.every((number, layer) => number === heads[types[layer]])) return heads;
  throw metadata.bad(key, "the same number for all layers of one type");
}

/** Reads the MLP width, and whether the layers that reuse keys and values have MLPs twice as wide. */
function readWidths(metadata: JsonFields, key: string, layers: number, shared: number): [number, boolean] {
  const widths = readOfLayers(metadata, key, layers);
  const [width] = widths;
  const doubles = widths[layers - 1] === 2 * width;
  const expected = (layer: number) => (doubles && layer >= layers - shared ? 2 * width : width);
  if (widths.every((found, layer) => found === expected(layer))) return [width, doubles];
  throw metadata.bad(key, `one number, or its double for the last ${shared} layers, which share keys`);
}

function readExperts({ metadata, key }: GgufParts): Record<string, unknown> {
  if (!metadata.raw(key("expert_count"))) return { enable_moe_block: false };
  return {
    enable_moe_block: true,
    num_experts: metadata.integer(key("expert_count")),
    top_k_experts: metadata.integer(key("expert_used_count")),
    moe_intermediate_size: metadata.integer(key("expert_feed_forward_length")),
  };
}

function readConfig(parts: GgufParts): Record<string, unknown> {
  const { metadata, key, tensors } = parts;
  const layers = metadata.layers(key("block_count"));
  const layerTypes = readLayerTypes(metadata, key(keys.pattern), layers);
  const heads = readKeyValueHeads(metadata, key(keys.keyValueHeads), layerTypes);
  const shared = metadata.integer(key(keys.shared), 0, 0);
  const [width, doubles] = readWidths(metadata, key(keys.width), layers, shared);
  const {
    head_dim: globalDim,
    rope_theta: theta,
    ...decoder
  } = readDecoderGguf(parts, { num_key_value_heads: heads.sliding_attention, intermediate_size: width });
  const headDim = metadata.integer(key(keys.headDim), globalDim);
  for (const [name, size] of [
    ["rope.dimension_count", globalDim],
    [keys.valueDim, headDim],
    [keys.rotaryDim, headDim],
  ] as const) {
    if (metadata.integer(key(name), size) === size) continue;
    throw metadata.bad(key(name), `the size of a head, ${size}; others are not supported`);
  }
  metadata.oneOf(key("rope.scaling.type"), ["none"], "none");
  const globalHeads = { head_dim: globalDim, num_key_value_heads: heads.full_attention };
  const full = layerTypes.flatMap((type, layer) => (type === "full_attention" ? [layer] : []));
  return {
    ...decoder,
    head_dim: headDim,
    hidden_activation: activation,
    rms_norm_eps: decimal(metadata.number(key(keys.epsilon))),
    attention_bias: false,
    attention_k_eq_v: !tensors.has(`blk.${full[0]}.attn_v.weight`),
    layer_types: layerTypes,
    per_layer_config: Object.fromEntries(full.map((layer) => [layer, globalHeads])),
    rope_parameters: {
      full_attention: { ...readProportional(parts, globalDim), rope_theta: theta },
      sliding_attention: { rope_type: "default", rope_theta: decimal(metadata.number(key(keys.theta), 10000)) },
    },
    sliding_window: metadata.integer(key(keys.window)),
    num_kv_shared_layers: shared,
    use_double_wide_mlp: doubles,
    // llama.cpp's converter omits keys whose value would be none or 0.
    final_logit_softcapping: decimal(metadata.number(key(keys.cap), 0)) || null,
    hidden_size_per_layer_input: metadata.integer(key(keys.ownWidth), 0, 0),
    vocab_size_per_layer_input: tensors.get("token_embd.weight")!.shape[0],
    ...readExperts(parts),
  };
}

function metadata(config: Gemma4TextConfig): Record<string, GgufValue> {
  refuse(config);
  const { headDim, globalHeads, layerTypes, experts } = config;
  const slides = layerTypes.map((type) => type === "sliding_attention");
  const keyValueHeads = slides.map((slid) => (slid ? config : globalHeads).numKeyValueHeads);
  return {
    // In GGUF, the keys for head sizes without a suffix are for full-attention layers.
    ...decoderMetadata({ ...config, ...globalHeads }),
    [keys.width]: ofLayers(mlpWidths(config)),
    [keys.keyValueHeads]: ofLayers(keyValueHeads),
    [keys.headDim]: u32(headDim),
    [keys.valueDim]: u32(headDim),
    [keys.rotaryDim]: u32(headDim),
    [keys.theta]: f32(config.localRope.theta),
    [keys.epsilon]: f32(config.rmsNormEps),
    [keys.window]: u32(config.slidingWindow),
    [keys.pattern]: { type: "bools", value: slides },
    [keys.shared]: u32(config.numKvSharedLayers),
    [keys.ownWidth]: u32(config.hiddenSizePerLayerInput),
    // Without this key llama.cpp uses a cap of 30.
    [keys.cap]: f32(config.finalLogitSoftcapping ?? 0),
    ...(experts && {
      expert_count: u32(experts.numExperts),
      expert_used_count: u32(experts.topKExperts),
      expert_feed_forward_length: u32(experts.moeIntermediateSize),
    }),
  };
}

/** The conversion of Gemma 4 to and from GGUF. */
export const gemma4Form: GgufForm<Gemma4TextConfig> = {
  architecture: "gemma4",
  hasExperts: true,
  lettersTokenizer: "gemma4",
  readConfig,
  metadata,
  tensors: gemma4Tensors,
  idle: (config) =>
    keySources(config).flatMap((source, layer) =>
      source === null ? [] : ["attn_k", "attn_k_norm", "attn_v"].map((name) => `blk.${layer}.${name}.weight`),
    ),
  ropeFactors: ({ rope, globalHeads }) => proportionalFactors(rope, globalHeads.headDim),
};

/** Name of the GGUF tensor that stores a divisor for each rotary frequency of full-attention layers. */
const tensor = "rope_freqs.weight";
/**
 * Divisors that disable the rotation of a frequency. `still` is the value that llama.cpp stores, and that is written
 * here. In a file that is read, every divisor of at least `leastStill` has this meaning.
 */
const [still, leastStill] = [1e30, 1e20];

/**
 * Returns the tensor with the divisors of all rotary frequencies, for heads with `dim` elements. Throws for RoPE
 * scalings other than "proportional".
 */
export function proportionalFactors({ scaling }: RopeConfig, dim: number): Record<string, number[]> {
  if (scaling && scaling.type !== "proportional") {
    throw notInGguf("rope_type of full_attention", scaling.type, "default or proportional");
  }
  const factor = scaling?.factor ?? 1;
  const part = scaling?.partialRotaryFactor ?? 1;
  const turning = Math.floor((part * dim) / 2);
  return { [tensor]: Array.from({ length: dim / 2 }, (_, i) => (i < turning ? factor : still)) };
}

/**
 * Reads the divisors of the rotary frequencies and returns the RoPE settings for the config. Throws if the divisors do
 * not match "proportional" scaling.
 */
export function readProportional({ metadata, ropeFactors }: GgufParts, dim: number): Record<string, unknown> {
  const factors = ropeFactors.get(tensor);
  if (!factors) throw new Error(`${metadata.where}: the tensor "${tensor}" is missing`);
  const turning = Array.from(factors).filter((factor) => factor < leastStill).length;
  const [factor] = turning > 0 ? factors : [1];
  const fits = factors.every((other, i) => (i < turning ? other === factor : other >= leastStill));
  if (factors.length !== dim / 2 || !fits) {
    throw new Error(
      `${metadata.where}: ${tensor} must have ${dim / 2} factors: equal ones first, and then only factors that stop the rotation; other RoPE scalings are not supported`,
    );
  }
  // The fraction of the pairs that rotate. Rounding could make the plain quotient give one pair too few.
  const pairs = dim / 2;
  const part = [turning / pairs, (turning + 0.5) / pairs].find((one) => Math.floor((one * dim) / 2) === turning);
  return { rope_type: "proportional", factor: decimal(factor), partial_rotary_factor: part };
}
