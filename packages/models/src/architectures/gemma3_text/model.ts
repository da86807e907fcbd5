import type { JsonFields } from "../../config/jsonFields.ts";
import type { LayerType } from "../../config/layerTypes.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { type RopeConfig, ropeFrom } from "../../rope/ropeConfig.ts";
import { type GemmaConfig, gemmaDefaults, gemmaToHf, gemmaTraits, readGemma } from "../gemma2/parts.ts";
import { llamaFamilyHeads, llamaTargets, withoutFrequencies } from "../llama/model.ts";
import { normedAttention } from "../llama/normedAttention.ts";
import type { LlamaTraits } from "../llama/traits.ts";

/** The config of a Gemma 3 text model: the fields of Hugging Face's Gemma3TextConfig in camelCase. */
interface Gemma3TextConfig extends GemmaConfig {
  modelType: "gemma3_text";
  /** The rotary embedding of sliding-window layers. The other layers use `rope`. */
  localRope: RopeConfig;
}

function readConfig(fields: JsonFields): Gemma3TextConfig {
  const own = fields.raw("sliding_window_pattern") === undefined ? "_sliding_window_pattern" : "sliding_window_pattern";
  const pattern = fields.integer(own, usualPattern);
  const config = readGemma(fields, "gemma3_text", {
    ...gemmaDefaults,
    vocabSize: 262208,
    maxPositionEmbeddings: 131072,
    attnLogitSoftcapping: null,
    finalLogitSoftcapping: null,
    usualType: typesEvery(pattern),
  });
  // transformers 5 stores the settings of each layer type separately.
  const byType = fields.object("rope_parameters");
  const global = byType ? byType.object("full_attention") : fields.object("rope_scaling");
  return {
    ...config,
    rope: ropeFrom(fields, global, { ...config, theta: 1e6 }),
    localRope: localRope(fields, byType?.object("sliding_attention"), config),
  };
}

/**
 * Returns the default layer types as a function of the layer index. Every `pattern`-th layer has full attention, and
 * the others have a sliding window.
 */
function typesEvery(pattern: number): (layer: number) => LayerType {
  return (layer) => ((layer + 1) % pattern === 0 ? "full_attention" : "sliding_attention");
}

const usualPattern = 6;

/** Reads the rotary embedding of sliding-window layers. The config's `rope_theta` applies to the other layers only. */
function localRope(fields: JsonFields, parameters: JsonFields | undefined, config: GemmaConfig): RopeConfig {
  if (parameters) return ropeFrom(parameters, parameters, { ...config, theta: 10000 });
  return { theta: fields.positive("rope_local_base_freq", 10000), partialRotaryFactor: 1, scaling: null };
}

function traits(config: Gemma3TextConfig): LlamaTraits {
  const { rope, localRope, layerTypes } = config;
  return {
    ...gemmaTraits(config),
    ropeOf: (layer) => (layerTypes[layer] === "sliding_attention" ? localRope : rope),
    attention: normedAttention("head"),
  };
}

/** Gemma 3 text model: two rotary embeddings, and sliding windows on most layers. arXiv:2503.19786. */
export const gemma3Text: Architecture<Gemma3TextConfig> = defineArchitecture({
  modelType: "gemma3_text",
  readConfig,
  writeConfig: (config) => ({ ...gemmaToHf(config), rope_local_base_freq: config.localRope.theta }),
  heads: {
    ...llamaFamilyHeads("Gemma3", traits),
    sequenceClassification: llamaFamilyHeads("Gemma3Text", traits).sequenceClassification,
  },
  stack: "model",
  sanitize: withoutFrequencies,
  gguf: async () => {
    const typeOf = typesEvery(usualPattern);
    const facts = { architecture: "gemma3", alwaysTied: false, normed: "head", capped: false, typeOf, traits } as const;
    return (await import("../gemma2/gguf.ts")).gemmaForm<Gemma3TextConfig>(facts);
  },
  defaultTargets: llamaTargets,
  presets: {
    "gemma-3-270m": {
      ...{ vocab_size: 262144, hidden_size: 640, intermediate_size: 2048, num_hidden_layers: 18 },
      ...{ num_attention_heads: 4, num_key_value_heads: 1, sliding_window: 512, max_position_embeddings: 32768 },
    },
    "gemma-3-1b": {
      ...{ vocab_size: 262144, hidden_size: 1152, intermediate_size: 6912, num_hidden_layers: 26 },
      ...{ num_attention_heads: 4, num_key_value_heads: 1, sliding_window: 512, max_position_embeddings: 32768 },
    },
  },
});
