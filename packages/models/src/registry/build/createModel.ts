import type { ClassifierConfig, ModelConfig } from "../../config/architectureConfig.ts";
import type { ParameterSource } from "../../model/parameters.ts";
import { architectureOf } from "../registry.ts";
import { buildModel, type ModelOf } from "./buildModel.ts";
import { describeBuilt, type ModelDescription } from "./describeBuilt.ts";

/** Builds the model of a config, with parameters from `source`, for example `randomParameters(generator)`. */
export function createModel<C extends ModelConfig | ClassifierConfig>(config: C, source: ParameterSource): ModelOf<C> {
  return buildModel(architectureOf(config), config, source);
}

/**
 * Returns the structure of the model of a config: parameter names, shapes, layers and ties. It runs the model's
 * constructor without data, so the description always matches the model.
 */
export function describeModel<C extends ModelConfig | ClassifierConfig>(config: C): ModelDescription<ModelOf<C>> {
  return describeBuilt(architectureOf(config), config);
}
