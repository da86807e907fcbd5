import { checkOptions } from "@lowrank/core/internal";
import type { ClassifierConfig, ModelConfig } from "../../config/architectureConfig.ts";
import { JsonFields } from "../../config/jsonFields.ts";
import type { ParameterSource } from "../../model/parameters.ts";
import { parseClassifierConfig, parseModelConfig, parseStackConfig } from "../configs/modelConfig.ts";
import { architectureOf, findArchitecture } from "../registry.ts";
import { buildModel, type ModelOf } from "./buildModel.ts";
import { describeBuilt, describeStack, type ModelDescription, type StackDescription } from "./describeBuilt.ts";

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

/**
 * Returns "classifies" if `architectures` in a config.json names a sequence classifier, "other" if it names another
 * model, and "unsaid" if it names none.
 */
function headOf(fields: JsonFields): "classifies" | "other" | "unsaid" {
  const [name] = [fields.raw("architectures") ?? []].flat();
  if (name === undefined) return "unsaid";
  return String(name).endsWith("ForSequenceClassification") ? "classifies" : "other";
}

/**
 * Returns true if `architectures` in a config.json names a sequence classifier. If it names no model, returns true if
 * the model type supports sequence classification but no language-model head.
 */
export function classifiesSequences(json: unknown, where = "config.json"): boolean {
  const fields = new JsonFields(json, where);
  const head = headOf(fields);
  if (head !== "unsaid") return head === "classifies";
  const { causalLM, sequenceClassification } = findArchitecture(String(fields.raw("model_type")))?.heads ?? {};
  return causalLM === undefined && sequenceClassification !== undefined;
}

/** Options of `describeConfig`. */
export interface DescribeConfigOptions {
  /** The config's name in error messages. Default "config.json". */
  where?: string;
  /**
   * True to describe a sequence classifier if the architecture supports one, even if the config names another model.
   * Default false.
   */
  classifies?: boolean;
}

/**
 * Returns the structure of the model that a `config.json` describes. This is a sequence classifier if the config names
 * one, else a language model if the architecture supports it. Otherwise it is the base model without a head, as
 * transformers' AutoModel builds it.
 */
export function describeConfig(json: unknown, options: DescribeConfigOptions = {}): StackDescription {
  checkOptions("describeConfig", options, { where: true, classifies: true });
  const { where = "config.json", classifies = false } = options;
  const fields = new JsonFields(json, where);
  const heads = findArchitecture(String(fields.raw("model_type")))?.heads ?? {};
  const wanted = classifies && heads.sequenceClassification !== undefined;
  if (wanted || classifiesSequences(json, where)) return describeModel(parseClassifierConfig(json, where));
  if (heads.causalLM) return describeModel(parseModelConfig(json, where));
  const config = parseStackConfig(json, where);
  return describeStack(architectureOf(config), config);
}
