import type { LayerType } from "../../config/layerTypes.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { llamaFamilyHeads, llamaTargets, withoutFrequencies } from "../llama/model.ts";
import { type GemmaConfig, gemmaDefaults, gemmaToHf, gemmaTraits, readGemma } from "./parts.ts";

const usualType = (layer: number): LayerType => (layer % 2 === 0 ? "sliding_attention" : "full_attention");

/** Gemma 2: sliding windows on every other layer, soft caps on scores and logits. arXiv:2408.00118. */
export const gemma2: Architecture<GemmaConfig> = defineArchitecture({
  modelType: "gemma2",
  readConfig: (fields) =>
    readGemma(fields, "gemma2", {
      ...gemmaDefaults,
      vocabSize: 256000,
      maxPositionEmbeddings: 8192,
      attnLogitSoftcapping: 50,
      finalLogitSoftcapping: 30,
      usualType,
    }),
  writeConfig: gemmaToHf,
  heads: llamaFamilyHeads("Gemma2", gemmaTraits),
  stack: "model",
  sanitize: withoutFrequencies,
  gguf: async () => {
    const facts = { architecture: "gemma2", alwaysTied: true, capped: true, typeOf: usualType, traits: gemmaTraits };
    return (await import("./gguf.ts")).gemmaForm<GemmaConfig>(facts);
  },
  defaultTargets: llamaTargets,
  presets: { "gemma-2-2b": {} },
});
