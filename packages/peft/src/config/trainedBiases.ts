import { checkOneOf } from "./checks.ts";
import type { PeftConfig } from "./peftConfig.ts";

/** The base biases that train too: none, all, or (`lora_only` and its like, by method) those of the adapted layers. */
export type TrainedBiases<Only extends string> = "none" | "all" | Only;

/** Throws for a `bias` that is none of the method's. */
export function checkBias<Only extends string>(config: PeftConfig & { bias: TrainedBiases<Only> }, only: Only): void {
  checkOneOf(config, "bias", config.bias, ["none", "all", only]);
}

/** `bias` as a method tells it. */
export function biasMode(bias: TrainedBiases<string>): "none" | "all" | "layers" {
  return bias === "none" || bias === "all" ? bias : "layers";
}
