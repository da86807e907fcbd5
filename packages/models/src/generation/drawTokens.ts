import { type Generator, sampleTokens, type Tensor } from "@lowrank/core";
import type { GenerationSettings } from "./settings.ts";

/** Draws the next token of each row from its logits. A file of its own, loaded when used. */
export function drawTokens(logits: Tensor, settings: GenerationSettings, generator: Generator): Tensor {
  const { temperature, topK, topP, minP } = settings;
  return sampleTokens(logits, { temperature, topK, topP, minP, generator });
}
