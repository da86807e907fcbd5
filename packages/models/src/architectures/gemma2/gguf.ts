import type { LayerType } from "../../config/layerTypes.ts";
import type { GgufForm } from "../../gguf/ggufForm.ts";
import { decimal, f32, notInGguf, u32 } from "../../gguf/ggufValues.ts";
import type { GgufValue } from "../../gguf/writeGguf.ts";
import { llamaMetadata, llamaTensors, readLlamaGguf, refuseLlama3 } from "../llama/ggufFields.ts";
import type { LlamaTraits } from "../llama/traits.ts";
import { type GemmaConfig, gemmaDefaults } from "./parts.ts";

const norms = {
  input_layernorm: "attn_norm",
  post_attention_layernorm: "post_attention_norm",
  pre_feedforward_layernorm: "ffn_norm",
  post_feedforward_layernorm: "post_ffw_norm",
};

const windowKey = "attention.sliding_window";

/** Keys of the soft caps. Their names are the same in config.json and in GGUF. */
const caps = ["attn_logit_softcapping", "final_logit_softcapping"];

/** Settings for reading and writing GGUF files that differ between Gemma 2 and 3. */
interface GemmaFacts<C extends GemmaConfig> {
  readonly architecture: string;
  readonly alwaysTied: boolean;
  readonly normed?: "head";
  /** True if the attention scores and the logits have soft caps. */
  readonly capped: boolean;
  /** Returns the type that llama.cpp assumes for a layer. GGUF files do not store layer types. */
  typeOf(layer: number): LayerType;
  /** Throws if the config has settings that llama.cpp ignores. */
  refuse?(config: C): void;
  traits(config: C): LlamaTraits;
}

/** Returns the conversion of Gemma 2 or 3 to and from GGUF. */
export function gemmaForm<C extends GemmaConfig>(facts: GemmaFacts<C>): GgufForm<C> {
  const { architecture, alwaysTied, normed, capped } = facts;
  return {
    architecture,
    alwaysTied,
    readConfig: (parts) => {
      const { metadata, key } = parts;
      const { hidden_act: _, ...kin } = readLlamaGguf(parts);
      const cap = (name: string) => [name, capped ? decimal(metadata.number(key(name))) : null];
      return {
        ...kin,
        hidden_activation: gemmaDefaults.hiddenAct,
        query_pre_attn_scalar: kin.head_dim,
        sliding_window: metadata.integer(key(windowKey)),
        layer_types: Array.from({ length: Number(kin.num_hidden_layers) }, (_, layer) => facts.typeOf(layer)),
        ...Object.fromEntries(caps.map(cap)),
      };
    },
    metadata: (config) => {
      const { queryPreAttnScalar, headDim, layerTypes, attentionBias } = config;
      if (queryPreAttnScalar !== headDim) {
        throw notInGguf("query_pre_attn_scalar", queryPreAttnScalar, `the size of a head, ${headDim}`);
      }
      if (!layerTypes.every((type, layer) => type === facts.typeOf(layer))) {
        throw notInGguf("layer_types", layerTypes, `those of a published ${config.modelType}`);
      }
      if (attentionBias) throw notInGguf("attention_bias", true, "false");
      refuseLlama3(config);
      facts.refuse?.(config);
      return {
        ...llamaMetadata(config, gemmaDefaults.hiddenAct),
        ...capMetadata(config, capped),
        [windowKey]: u32(config.slidingWindow),
      };
    },
    tensors: (config) => llamaTensors(config, facts.traits(config), { interleaves: false, norms, normPlus: 1, normed }),
  };
}

function capMetadata(config: GemmaConfig, capped: boolean): Record<string, GgufValue> {
  const values = [config.attnLogitSoftcapping, config.finalLogitSoftcapping];
  return Object.fromEntries(
    caps.flatMap((key, i): [string, GgufValue][] => {
      const value = values[i];
      if ((value !== null) !== capped) throw notInGguf(key, value, capped ? "a number" : "null");
      return value === null ? [] : [[key, f32(value)]];
    }),
  );
}
