import type { ClassifierConfig, ModelConfig } from "../config/architectureConfig.ts";
import type { ParameterSource } from "../model/parameters.ts";
import { buildModel, type ModelOf } from "./buildModel.ts";
import { architectureOf } from "./registry.ts";

/**
 * Builds the model that a config describes, with parameters from `source`
 * (`randomParameters(generator)`, say).
 */
export function createModel<C extends ModelConfig | ClassifierConfig>(config: C, source: ParameterSource): ModelOf<C> {
  return buildModel(architectureOf(config), config, source);
}
