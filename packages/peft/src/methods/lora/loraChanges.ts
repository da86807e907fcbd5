import { sameValue } from "../../config/peftConfig.ts";
import type { StartSubtraction, Swappable } from "../shared/methodFacts.ts";
import type { LoraConfig } from "./loraConfig.ts";
import { unlikeFactors } from "./loraScaling.ts";

// Facts that only a hot swap and `pathInitialModelForWeightConversion` need. They are loaded when one of these runs.

/** Text in a tensor's file key that marks the end of the layer's path and the start of LoRA's tensor name. */
const mark = ".lora_";

/** Fields that set ranks and scalings. */
const sizeFields = ["r", "loraAlpha", "useRslora", "rankPattern", "alphaPattern"] as const;

/**
 * Configuration fields in which a LoRA adapter may differ from the adapter that it replaces in a hot swap. These are
 * ranks, scalings and initialisations, in addition to the fields that may differ for every method.
 */
export const loraSwappable: Swappable<LoraConfig> = {
  fields: [...sizeFields, ...["initLoraWeights", "loftqConfig", "evaConfig", "cordaConfig", "loraGaConfig"]],
  conflict: (next, own) => {
    const freezes = [next, own].map(({ initLoraWeights }) => initLoraWeights === "mica");
    if (freezes[0] !== freezes[1]) return "initLoraWeights";
    // The layers of a stacked parameter share its factors, which keep their sizes and scalings.
    const kept = own.targetParameters?.length ? sizeFields : [];
    return kept.find((key) => !sameValue(next[key], own[key])) ?? null;
  },
  anyRank: {
    layerOf: (key) => (key.includes(mark) ? key.slice(0, key.indexOf(mark)) : null),
    keeps: ["loraBias"],
    // DoRA's magnitudes cannot be filled with zeros, since the layer's output would then be zero.
    mayLack: (key, { useDora, loraBias }, absent) => !useDora && (absent || (!loraBias && key.endsWith(".bias"))),
  },
};

/**
 * Converts the trained change B A - B₀ A₀ to one product [B, -B₀] [A; A₀], where A₀ and B₀ are the initial factors. The
 * result is a LoRA adapter of twice the rank for the original base weights.
 */
export const loraStartSubtraction: StartSubtraction<LoraConfig> = {
  refusal: (config) => {
    const { initLoraWeights: start, useBdlora } = config;
    const variant = unlikeFactors(config);
    if (variant) return `has ${variant}, which plain LoRA cannot express`;
    return useBdlora
      ? "has useBdlora, which leaves the base weights as they are"
      : start === true || /^(pissa|olora|corda|lora_ga)/.test(`${start}`)
        ? null
        : `was initialised by ${JSON.stringify(start)}, which did not change the base weights, or rounded them`;
  },
  sameFields: [...sizeFields, "useDora"],
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
