import type { ClassifierConfig, ModelConfig } from "../config/architectureConfig.ts";
import type { ModelOf } from "./buildModel.ts";
import { describeBuilt, type ModelDescription } from "./describeBuilt.ts";
import { architectureOf } from "./registry.ts";

/**
 * Returns the structure of the model for a config: paths, shapes and ties. It runs the model's constructor with shapes
 * only, so the description cannot deviate from the model.
 */
export function describeModel<C extends ModelConfig | ClassifierConfig>(config: C): ModelDescription<ModelOf<C>> {
  return describeBuilt(architectureOf(config), config);
}
