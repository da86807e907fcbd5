import { refuse } from "./checks.ts";
import type { PeftConfig } from "./peftConfig.ts";

/**
 * The biases of the base model that also train: none, all, or the adapted layers'. The last is written as `vera_only`
 * or another name in `_only`; PEFT accepts any.
 */
export type TrainedBiases = "none" | "all" | `${string}_only`;

/** Throws if `bias` is neither "none" nor "all" and does not end in "_only". */
export function checkBias(config: PeftConfig & { bias: TrainedBiases }): void {
  const { bias } = config;
  if (bias === "none" || bias === "all" || String(bias).endsWith("_only")) return;
  refuse(config, "bias", bias, `"none", "all" or "${config.peftType.toLowerCase()}_only"`);
}

/** Converts the `bias` option ("none", "all", "vera_only") to the value that a method's `bias` function returns. */
export function biasMode(bias: TrainedBiases): "none" | "all" | "layers" {
  return bias === "none" || bias === "all" ? bias : "layers";
}
