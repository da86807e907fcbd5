import { refuse } from "./checks.ts";
import type { PeftConfig } from "./peftConfig.ts";

/**
 * The base biases that train too: none, all, or (`vera_only` and its like: PEFT takes any such
 * word) the adapted layers'.
 */
export type TrainedBiases = "none" | "all" | `${string}_only`;

/** Throws for a `bias` that is none of these. */
export function checkBias(config: PeftConfig & { bias: TrainedBiases }): void {
  const { bias } = config;
  if (bias === "none" || bias === "all" || String(bias).endsWith("_only")) return;
  refuse(config, "bias", bias, `"none", "all" or "${config.peftType.toLowerCase()}_only"`);
}

/** `bias` as a method tells it. */
export function biasMode(bias: TrainedBiases): "none" | "all" | "layers" {
  return bias === "none" || bias === "all" ? bias : "layers";
}
