import type { DataStart, ProductForm, WeightStart } from "../shared/methodFacts.ts";
import type { LoraConfig } from "./loraConfig.ts";
import { loraScaling, unlikeFactors } from "./loraScaling.ts";

/**
 * Returns a description of the initialisation if it subtracts B A from the base weights (PiSSA, OLoRA,
 * CorDA, LoRA-GA, or LoftQ, which also quantises them). Returns null for other initialisations.
 */
export function loraWeightStart(config: LoraConfig): WeightStart<LoraConfig> | null {
  const { initLoraWeights: name, kasaConfig } = config;
  if (kasaConfig) return { name: "kasaConfig", onSetWeights: config.with({ initLoraWeights: true }) };
  if (typeof name !== "string" || !/^(pissa|olora|loftq|corda|lora_ga)/.test(name)) return null;
  const measuredBy = { corda: "preprocessCorda", lora_ga: "preprocessLoraGa" }[name];
  return { name, onSetWeights: config.with({ initLoraWeights: true }), measuredBy };
}

/**
 * Returns the name and the measuring function of EVA's initialisation if the configuration uses EVA, otherwise null.
 */
export function evaStart(config: LoraConfig): DataStart<LoraConfig> | null {
  const { evaConfig } = config;
  if (!evaConfig) return null;
  const measure: DataStart<LoraConfig>["measure"] = async (layers) => {
    const { measureEva } = await (await import("./startParts.ts")).loadEva();
    return measureEva(layers, config, evaConfig);
  };
  return { name: "eva", measure };
}

/** Describes LoRA's layers as products of two matrices, so that `addWeightedAdapter` can combine adapters. */
export const loraProducts: ProductForm<LoraConfig> = {
  kind: "products",
  factors: [
    { a: "lora_A.weight", b: "lora_B.weight" },
    { a: "lora_embedding_A", b: "lora_embedding_B" },
  ],
  scaling: loraScaling,
  rank: ({ r, rankPattern }) => Math.max(r, ...Object.values(rankPattern)),
  besides: (config) => {
    const { useDora, loraBias, useBdlora } = config;
    const variant = unlikeFactors(config);
    if (variant) return `has ${variant}, which cannot be combined; merge it into the weights instead`;
    if (useBdlora) return "has useBdlora, whose blocks cannot be combined; merge it into the weights instead";
    if (useDora) return "has useDora: lengths of rows cannot be added up; merge it into the weights instead";
    return loraBias ? "has loraBias, which cannot be combined; train it without" : null;
  },
  plain: (config, rank) => {
    const unscaled = { useRslora: false, rankPattern: {}, alphaPattern: {}, r: rank, loraAlpha: rank };
    return config.with({ initLoraWeights: true, ...unscaled });
  },
};
