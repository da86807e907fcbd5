import { type Architecture, defineArchitecture } from "./architecture.ts";
import type { ClassifierHead } from "./config/classifierHead.ts";
import type { JsonFields } from "./config/jsonFields.ts";
import { type LlamaKinConfig, type LlamaTraits, llamaKinToHf, readLlamaKin } from "./config/llamaConfig.ts";
import { LlamaKinForCausalLM, LlamaKinForSequenceClassification, withoutFrequencies } from "./llama.ts";
import type { ParameterSource } from "./parameters.ts";

/** The shape of a Qwen2 model, named as in Hugging Face's Qwen2Config. */
export interface Qwen2Config extends LlamaKinConfig {
  modelType: "qwen2";
  /**
   * Number of positions that a token of a windowed layer sees, its own included; null
   * if no layer is windowed.
   */
  slidingWindow: number | null;
  /** The layers from this one on are windowed. */
  maxWindowLayers: number;
}

const defaults = {
  vocabSize: 151936,
  intermediateSize: 22016,
  numKeyValueHeads: 32,
  maxPositionEmbeddings: 32768,
  bosTokenId: null,
  eosTokenIds: [],
};

function readConfig(fields: JsonFields): Qwen2Config {
  const windowed = fields.boolean("use_sliding_window", false) && !fields.isNull("sliding_window");
  const config: Qwen2Config = {
    ...readLlamaKin(fields, "qwen2", defaults),
    slidingWindow: windowed ? fields.integer("sliding_window", 4096) : null,
    maxWindowLayers: fields.integer("max_window_layers", 28, 0),
  };
  const types = fields.raw("layer_types");
  if (types !== undefined && JSON.stringify(types) !== JSON.stringify(layerTypes(config))) {
    throw fields.bad(
      "layer_types",
      `what sliding_window and max_window_layers say, ${JSON.stringify(layerTypes(config))}`,
    );
  }
  return config;
}

const isWindowed = ({ slidingWindow, maxWindowLayers }: Qwen2Config, layer: number): boolean =>
  slidingWindow !== null && layer >= maxWindowLayers;

function layerTypes(config: Qwen2Config): string[] {
  return Array.from({ length: config.numHiddenLayers }, (_, layer) =>
    isWindowed(config, layer) ? "sliding_attention" : "full_attention",
  );
}

function traits(config: Qwen2Config): LlamaTraits {
  const { slidingWindow: size } = config;
  const window = size === null ? undefined : { size, has: (layer: number) => isWindowed(config, layer) };
  return { qkvBias: true, window };
}

/**
 * Qwen2 with a language-model head, as transformers' Qwen2ForCausalLM. Yang et
 * al. 2024, arXiv:2407.10671.
 */
class Qwen2ForCausalLM extends LlamaKinForCausalLM<Qwen2Config> {
  constructor(config: Qwen2Config, source: ParameterSource) {
    super(config, source, traits(config));
  }
}

/** Qwen2 that classifies sequences, as transformers' Qwen2ForSequenceClassification. */
class Qwen2ForSequenceClassification extends LlamaKinForSequenceClassification<Qwen2Config> {
  constructor(config: Qwen2Config & ClassifierHead, source: ParameterSource) {
    super(config, source, traits(config));
  }
}

/** Qwen2 and Qwen2.5: a Llama with biases on queries, keys and values. */
export const qwen2: Architecture<Qwen2Config> = defineArchitecture({
  modelType: "qwen2",
  readConfig,
  writeConfig: (config) => ({
    ...llamaKinToHf(config),
    max_window_layers: config.maxWindowLayers,
    sliding_window: config.slidingWindow,
    use_sliding_window: config.slidingWindow !== null,
  }),
  heads: {
    causalLM: {
      className: "Qwen2ForCausalLM",
      module: "lm_head",
      create: (config, source) => new Qwen2ForCausalLM(config, source),
    },
    sequenceClassification: {
      className: "Qwen2ForSequenceClassification",
      module: "score",
      create: (config, source) => new Qwen2ForSequenceClassification(config, source),
    },
  },
  stack: "model",
  sanitize: withoutFrequencies,
  gguf: async () => (await import("./gguf/qwen2Form.ts")).qwen2Form({ traits, layerTypes }),
  defaultTargets: { linear: ["q_proj", "v_proj"], norm: ["post_attention_layernorm"], attention: ["self_attn"] },
  presets: {
    // Qwen Team 2024, arXiv:2412.15115.
    "qwen2.5-0.5b": {
      ...{ hidden_size: 896, intermediate_size: 4864, num_hidden_layers: 24, num_attention_heads: 14 },
      ...{ num_key_value_heads: 2, rope_theta: 1e6, tie_word_embeddings: true },
    },
    "qwen2.5-7b": {
      ...{ hidden_size: 3584, intermediate_size: 18944, num_hidden_layers: 28, num_attention_heads: 28 },
      ...{ vocab_size: 152064, num_key_value_heads: 4, max_position_embeddings: 131072, rope_theta: 1e6 },
    },
  },
});
