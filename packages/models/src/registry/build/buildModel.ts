import {
  type ArchitectureConfig,
  type ClassifierConfig,
  isClassifierConfig,
  isTokenClassifierConfig,
  type ModelConfig,
  type TokenClassifierConfig,
} from "../../config/architectureConfig.ts";
import type { Architecture } from "../../model/architecture.ts";
import type { CausalLM } from "../../model/causalLM.ts";
import type { ParameterSource } from "../../model/parameters.ts";
import type { SequenceClassifier } from "../../model/sequenceClassifier.ts";
import type { TokenClassifier } from "../../model/tokenClassifier.ts";
import type { StackModel } from "../../model/transformerModel.ts";

/** The class of the model that a config of type C describes. */
export type ModelOf<C extends ModelConfig | ClassifierConfig> = C extends TokenClassifierConfig
  ? TokenClassifier
  : C extends ClassifierConfig
    ? SequenceClassifier
    : CausalLM;

/** Builds the model that a config of `architecture` describes, with parameters from `source`. */
export function buildModel<C extends ModelConfig | ClassifierConfig>(
  { heads, defaultTargets }: Architecture,
  config: C,
  source: ParameterSource,
): ModelOf<C> {
  const [model, task] = isTokenClassifierConfig(config)
    ? [heads.tokenClassification?.create(config, source), "classifies tokens"]
    : isClassifierConfig(config)
      ? [heads.sequenceClassification?.create(config, source), "classifies sequences"]
      : [heads.causalLM?.create(config as ModelConfig, source), "predicts tokens"];
  if (!model) throw new Error(`Lowrank has no ${config.modelType} model that ${task}`);
  model.defaultTargets = defaultTargets;
  return model as unknown as ModelOf<C>;
}

/**
 * Builds the base model of a config without a head, as transformers' AutoModel does. Throws for architectures that do
 * not support this.
 */
export function buildStack(
  architecture: Architecture,
  config: ArchitectureConfig,
  source: ParameterSource,
): StackModel {
  const model = architecture.create?.(config, source);
  if (!model) throw new Error(`Lowrank has no ${config.modelType} model without a head`);
  model.defaultTargets = architecture.defaultTargets;
  return model;
}
