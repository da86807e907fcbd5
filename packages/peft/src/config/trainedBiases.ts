import { refuse } from "./checks.ts";
import type { PeftConfig } from "./peftConfig.ts";

/**
 * Biases of the base model that are also trained: "none", "all", or, with any name that ends in "_only" (such as
 * "vera_only"), the biases of the adapted layers.
 */
export type TrainedBiases = "none" | "all" | `${string}_only`;

/** Throws if `bias` is neither "none" nor "all" and does not end in "_only". */
export function checkBias(config: PeftConfig & { bias: TrainedBiases }): void {
  const { bias } = config;
  if (bias === "none" || bias === "all" || String(bias).endsWith("_only")) return;
  refuse(config, "bias", bias, `"none", "all" or "${config.peftType.toLowerCase()}_only"`);
}

/** Returns which biases to train: "none", "all", or "layers" for a name that ends in "_only", such as "vera_only". */
export function biasMode(bias: TrainedBiases): "none" | "all" | "layers" {
  return bias === "none" || bias === "all" ? bias : "layers";
}
