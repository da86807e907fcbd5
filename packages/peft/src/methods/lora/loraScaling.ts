import { patternValue } from "../../targets/pattern.ts";
import type { LoraConfig } from "./loraConfig.ts";

/**
 * The rank of the layer at `path`, and the factor of its B A: alpha / r, or alpha /
 * √r where rank-stabilised.
 */
export function rankAndScaling(config: LoraConfig, path: string): { r: number; scaling: number } {
  const r = patternValue(config.rankPattern, path, config.r);
  const alpha = patternValue(config.alphaPattern, path, config.loraAlpha);
  return { r, scaling: config.useRslora ? alpha / Math.sqrt(r) : alpha / r };
}

/** The factor of B A on the layer at `path`. */
export function loraScaling(config: LoraConfig, path: string): number {
  return rankAndScaling(config, path).scaling;
}
