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
import type { StackModel, TransformerModel } from "../../model/transformerModel.ts";

/** The class of the model that a config of type C describes. */
export type ModelOf<C extends ModelConfig | ClassifierConfig> = C extends TokenClassifierConfig
  ? TokenClassifier
  : C extends ClassifierConfig
    ? SequenceClassifier
    : CausalLM;

type Stackable = TransformerModel & { readonly config: object };

/** Gives a model the method `replicateLayers`. `build` builds a model of the same kind. */
function stackable(model: Stackable, build: (config: never, source: ParameterSource) => TransformerModel): void {
  model.replicateLayers = async (ranges) => {
    const { replicateLayers } = await import("../../model/replicateLayers.ts");
    return replicateLayers(model, ranges, build);
  };
}

/** Builds the model that a config of `architecture` describes, with parameters from `source`. */
export function buildModel<C extends ModelConfig | ClassifierConfig>(
  architecture: Architecture,
  config: C,
  source: ParameterSource,
): ModelOf<C> {
  const { heads, defaultTargets } = architecture;
  const [model, task] = isTokenClassifierConfig(config)
    ? [heads.tokenClassification?.create(config, source), "classifies tokens"]
    : isClassifierConfig(config)
      ? [heads.sequenceClassification?.create(config, source), "classifies sequences"]
      : [heads.causalLM?.create(config as ModelConfig, source), "predicts tokens"];
  if (!model) throw new Error(`Lowrank has no ${config.modelType} model that ${task}`);
  model.defaultTargets = defaultTargets;
  stackable(model as Stackable, (like: C, from) => buildModel(architecture, like, from) as TransformerModel);
  model.secondDecoder = async (request) =>
    (await import("./secondDecoder.ts")).secondDecoder(buildModel, architecture, config, request);
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
  const build = (like: never, from: ParameterSource) => architecture.create!(like, from) as unknown as TransformerModel;
  stackable(model as unknown as Stackable, build);
  return model;
}
