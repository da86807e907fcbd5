import { patternValue } from "../../targets/pattern.ts";
import type { LoraConfig } from "./loraConfig.ts";

/** Returns the rank of the layer at a path and the scaling of its B A: alpha / r, or alpha / √r with `useRslora`. */
export function rankAndScaling(config: LoraConfig, given: string): { r: number; scaling: number } {
  // The output projection inside of attention has the rank and scaling of the attention.
  const path = given.split(".base_layer.")[0];
  const r = patternValue(config.rankPattern, path, config.r);
  const alpha = patternValue(config.alphaPattern, path, config.loraAlpha);
  return { r, scaling: config.useRslora ? alpha / Math.sqrt(r) : alpha / r };
}

/** Returns the scaling factor by which B A is multiplied for the layer at `path`. */
export function loraScaling(config: LoraConfig, path: string): number {
  return rankAndScaling(config, path).scaling;
}

/** Options of LoRA that replace the product of the input and A, or the whole update. */
export const loraVariants = [
  "veloraConfig",
  "kasaConfig",
  "montecloraConfig",
  "arrowConfig",
  "aloraInvocationTokens",
] as const;

/** Name of an option of `loraVariants`. */
export type LoraVariant = (typeof loraVariants)[number];

/** Returns the first option of `loraVariants` that is set. Undefined for plain LoRA. */
export function variantOf(config: LoraConfig): LoraVariant | undefined {
  // PEFT takes an empty list of tokens as plain LoRA.
  return loraVariants.find((name) => config[name] && `${config[name]}`);
}

/** Returns the first option with which layers lack plain factors A and B. Undefined for plain LoRA. */
export function unlikeFactors(config: LoraConfig): string | undefined {
  if (config.ensureWeightTying) return "ensureWeightTying";
  return variantOf(config) ?? (config.targetParameters?.length ? "targetParameters" : undefined);
}
