import { refuse } from "./checks.ts";
import type { PeftConfig } from "./peftConfig.ts";

/**
 * The base biases that train too: none, all, or the adapted layers' (`vera_only` and similar; PEFT accepts any such
 * word).
 */
export type TrainedBiases = "none" | "all" | `${string}_only`;

/** Throws for a `bias` that is not one of these. */
export function checkBias(config: PeftConfig & { bias: TrainedBiases }): void {
  const { bias } = config;
  if (bias === "none" || bias === "all" || String(bias).endsWith("_only")) return;
  refuse(config, "bias", bias, `"none", "all" or "${config.peftType.toLowerCase()}_only"`);
}

/** Returns the `bias` option as a method's `bias` function must return it. */
export function biasMode(bias: TrainedBiases): "none" | "all" | "layers" {
  return bias === "none" || bias === "all" ? bias : "layers";
}
