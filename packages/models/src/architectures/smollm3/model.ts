import type { JsonFields } from "../../config/jsonFields.ts";
import { type LayerType, readLayerTypes, windowOf } from "../../config/layerTypes.ts";
import { rmsNorms } from "../../layers/rmsNorms.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { type LlamaFamilyConfig, llamaFamilyToHf, readLlamaFamily } from "../llama/config.ts";
import { llamaFamilyHeads, llamaTargets, withoutFrequencies } from "../llama/model.ts";
import type { LlamaTraits } from "../llama/traits.ts";

/** The config of a SmolLM3 model: the fields of Hugging Face's SmolLM3Config in camelCase. */
export interface SmolLM3Config extends LlamaFamilyConfig {
  modelType: "smollm3";
  attentionBias: boolean;
  mlpBias: boolean;
  /** One entry per layer: 1 if the layer has a rotary embedding, 0 if it uses no positions. */
  noRopeLayers: (0 | 1)[];
  /** Number of positions that a token of a sliding-window layer attends to; null if no layer has a window. */
  slidingWindow: number | null;
  layerTypes: LayerType[];
}

const defaults = {
  vocabSize: 128256,
  hiddenSize: 2048,
  intermediateSize: 11008,
  numHiddenLayers: 36,
  numAttentionHeads: 16,
  numKeyValueHeads: 4,
  maxPositionEmbeddings: 32768,
  tieWordEmbeddings: true,
  bosTokenId: 128000,
  eosTokenIds: [128001],
  padTokenId: 128004,
  rope: { theta: 2e6 },
};

function readRopeLayers(fields: JsonFields, layers: number): (0 | 1)[] {
  const found = fields.raw("no_rope_layers");
  if (found === undefined) {
    const interval = fields.integer("no_rope_layer_interval", 4);
    return Array.from({ length: layers }, (_, i) => ((i + 1) % interval === 0 ? 0 : 1));
  }
  if (Array.isArray(found) && found.length >= layers && found.every((one) => one === 0 || one === 1)) return found;
  throw fields.bad("no_rope_layers", `0 or 1 for each of ${layers} layers`);
}

function readConfig(fields: JsonFields): SmolLM3Config {
  const config = readLlamaFamily(fields, "smollm3", defaults);
  const noRopeLayers = readRopeLayers(fields, config.numHiddenLayers);
  const windowed = fields.boolean("use_sliding_window", false) && fields.raw("sliding_window") !== undefined;
  const usual = (layer: number) => (windowed && noRopeLayers[layer] === 0 ? "sliding_attention" : "full_attention");
  const layerTypes = readLayerTypes(fields, config.numHiddenLayers, usual);
  // As in transformers, layers that `layer_types` marks have windows even if use_sliding_window is false.
  const slides = windowed || layerTypes.includes("sliding_attention");
  return {
    ...config,
    attentionBias: fields.boolean("attention_bias", false),
    mlpBias: fields.boolean("mlp_bias", false),
    noRopeLayers,
    slidingWindow: slides ? fields.integer("sliding_window") : null,
    layerTypes,
  };
}

function traits(config: SmolLM3Config): LlamaTraits {
  const { rope, rmsNormEps, attentionBias, mlpBias, noRopeLayers, slidingWindow, layerTypes } = config;
  return {
    ...{ norm: rmsNorms(rmsNormEps), qkvBias: attentionBias, outputBias: attentionBias, mlpBias },
    window: windowOf(slidingWindow, layerTypes),
    ropeOf: (layer) => (noRopeLayers[layer] === 1 ? rope : null),
  };
}

/** SmolLM3: Llama with some layers without rotary embedding. Bakouch et al. 2025. */
export const smollm3: Architecture<SmolLM3Config> = defineArchitecture({
  modelType: "smollm3",
  readConfig,
  writeConfig: (config) => ({
    ...llamaFamilyToHf(config),
    attention_bias: config.attentionBias,
    layer_types: config.layerTypes,
    mlp_bias: config.mlpBias,
    no_rope_layers: config.noRopeLayers,
    sliding_window: config.slidingWindow,
    use_sliding_window: config.slidingWindow !== null,
  }),
  heads: llamaFamilyHeads("SmolLM3", traits),
  stack: "model",
  sanitize: withoutFrequencies,
  gguf: async () => (await import("./gguf.ts")).smollm3Form(traits),
  defaultTargets: llamaTargets,
  presets: { "smollm3-3b": { rope_theta: 5e6, max_position_embeddings: 65536 } },
});
