import type { DataStart, ProductForm, StartSubtraction, Swappable, WeightStart } from "../shared/methodFacts.ts";
import type { LoraConfig } from "./loraConfig.ts";
import { loraScaling, variantOf } from "./loraScaling.ts";

/** Text in a tensor's file key that marks the end of the layer's path and the start of LoRA's tensor name. */
const mark = ".lora_";

/**
 * Configuration fields in which a LoRA adapter may differ from the adapter that it replaces in a hot swap. These are
 * ranks, scalings and initialisations, in addition to the fields that may differ for every method.
 */
export const loraSwappable: Swappable<LoraConfig> = {
  fields: [
    ...["r", "loraAlpha", "useRslora", "rankPattern", "alphaPattern"],
    ...["initLoraWeights", "loftqConfig", "evaConfig", "cordaConfig", "loraGaConfig"],
  ],
  conflict: (next, own) => {
    const freezes = [next, own].map(({ initLoraWeights }) => initLoraWeights === "mica");
    return freezes[0] === freezes[1] ? null : "initLoraWeights";
  },
  anyRank: {
    layerOf: (key) => (key.includes(mark) ? key.slice(0, key.indexOf(mark)) : null),
    keeps: ["loraBias"],
    // DoRA's magnitudes cannot be filled with zeros, since the layer's output would then be zero.
    mayLack: (key, { useDora, loraBias }, absent) => !useDora && (absent || (!loraBias && key.endsWith(".bias"))),
  },
};

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
    const { measureEva } = await import("./eva.ts");
    return measureEva(layers, config, evaConfig);
  };
  return { name: "eva", measure };
}

/**
 * Converts the trained change B A - B₀ A₀ to one product [B, -B₀] [A; A₀], where A₀ and B₀ are the initial factors. The
 * result is a LoRA adapter of twice the rank for the original base weights.
 */
export const loraStartSubtraction: StartSubtraction<LoraConfig> = {
  refusal: (config) => {
    const { initLoraWeights: start, useBdlora } = config;
    const variant = variantOf(config);
    if (variant) return `has ${variant}, which plain LoRA cannot express`;
    return useBdlora
      ? "has useBdlora, which leaves the base weights as they are"
      : start === true || /^(pissa|olora|corda|lora_ga)/.test(`${start}`)
        ? null
        : `was initialised by ${JSON.stringify(start)}, which did not change the base weights, or rounded them`;
  },
  sameFields: ["r", "loraAlpha", "useRslora", "rankPattern", "alphaPattern", "useDora"],
  joins: (key) => {
    if (/\.lora_A\.weight$|\.lora_embedding_A$/.test(key)) return { dim: 0, sign: 1 };
    if (/\.lora_B\.weight$|\.lora_embedding_B$/.test(key)) return { dim: 1, sign: -1 };
    return null;
  },
  joined: (config) => {
    const factor = config.useRslora ? Math.SQRT2 : 2;
    const times = (pattern: Readonly<Record<string, number>>, by: number) =>
      Object.fromEntries(Object.entries(pattern).map(([key, value]) => [key, by * value]));
    return config.with({
      initLoraWeights: true,
      r: 2 * config.r,
      loraAlpha: factor * config.loraAlpha,
      rankPattern: times(config.rankPattern, 2),
      alphaPattern: times(config.alphaPattern, factor),
    });
  },
};

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
    const variant = variantOf(config);
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
