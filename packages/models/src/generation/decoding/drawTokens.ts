import type { Generator, Tensor } from "@lowrank/core";
import { sampleTokens } from "@lowrank/core/internal";
import type { GenerationSettings } from "../settings/settings.ts";

/**
 * Samples the next token of each row from its logits. This function has its own file, so that it is loaded only for
 * sampling.
 */
export function drawTokens(logits: Tensor, settings: GenerationSettings, generator: Generator): Tensor {
  const { temperature, topK, topP, minP } = settings;
  return sampleTokens(logits, { temperature, topK, topP, minP, generator });
}
