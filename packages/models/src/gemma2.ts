import { type Architecture, defineArchitecture } from "./architecture.ts";
import { type GemmaConfig, gemmaDefaults, gemmaToHf, gemmaTraits, readGemma } from "./gemmaParts.ts";
import { llamaKinHeads, llamaTargets, withoutFrequencies } from "./llama.ts";

/** Gemma 2: windows on every other layer, capped scores and logits. arXiv:2408.00118. */
export const gemma2: Architecture<GemmaConfig> = defineArchitecture({
  modelType: "gemma2",
  readConfig: (fields) =>
    readGemma(fields, "gemma2", {
      ...gemmaDefaults,
      vocabSize: 256000,
      maxPositionEmbeddings: 8192,
      attnLogitSoftcapping: 50,
      finalLogitSoftcapping: 30,
      usualType: (layer) => (layer % 2 === 0 ? "sliding_attention" : "full_attention"),
    }),
  writeConfig: gemmaToHf,
  heads: llamaKinHeads("Gemma2", gemmaTraits),
  stack: "model",
  sanitize: withoutFrequencies,
  defaultTargets: llamaTargets,
  presets: { "gemma-2-2b": {} },
});
