import type { ClassifierConfig, ModelConfig } from "../config/architectureConfig.ts";
import type { ModelOf } from "./buildModel.ts";
import { describeBuilt, type ModelDescription } from "./describeBuilt.ts";
import { architectureOf } from "./registry.ts";

/**
 * Returns the structure of the model of a config: parameter names, shapes, layers and ties. It runs the model's
 * constructor without data, so the description always matches the model.
 */
export function describeModel<C extends ModelConfig | ClassifierConfig>(config: C): ModelDescription<ModelOf<C>> {
  return describeBuilt(architectureOf(config), config);
}
