import type { ClassifierConfig, ModelConfig } from "../config/architectureConfig.ts";
import type { ParameterSource } from "../model/parameters.ts";
import { buildModel, type ModelOf } from "./buildModel.ts";
import { architectureOf } from "./registry.ts";

/** Builds the model of a config, with parameters from `source`, for example `randomParameters(generator)`. */
export function createModel<C extends ModelConfig | ClassifierConfig>(config: C, source: ParameterSource): ModelOf<C> {
  return buildModel(architectureOf(config), config, source);
}
