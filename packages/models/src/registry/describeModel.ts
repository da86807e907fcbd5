import type { ClassifierConfig, ModelConfig } from "../config/architectureConfig.ts";
import type { ModelOf } from "./buildModel.ts";
import { describeBuilt, type ModelDescription } from "./describeBuilt.ts";
import { architectureOf } from "./registry.ts";

/**
 * Describes the model of a config: paths, shapes, ties. The model's own constructor is run over
 * shapes, so there is no second list to agree with it.
 */
export function describeModel<C extends ModelConfig | ClassifierConfig>(config: C): ModelDescription<ModelOf<C>> {
  return describeBuilt(architectureOf(config), config);
}
