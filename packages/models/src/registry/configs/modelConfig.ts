import { checkOptions } from "@lowrank/core/internal";
import type {
  ArchitectureConfig,
  ClassifierConfig,
  ModelConfig,
  TokenClassifierConfig,
} from "../../config/architectureConfig.ts";
import { readClassifierHead } from "../../config/classifierHead.ts";
import { JsonFields } from "../../config/jsonFields.ts";
import type { Architecture } from "../../model/architecture.ts";
import { architectureOf, architectures } from "../registry.ts";
import { hfConfig } from "./hfConfig.ts";
import { classifies, languageFields, writes } from "./readModelConfig.ts";

/** Reads the JSON value of a language model's `config.json`. `where` is its name in error messages. */
export function parseModelConfig(json: unknown, where = "config.json"): ModelConfig {
  const fields = languageFields(json, where);
  return architectureIn(fields, writes).readConfig(fields) as ModelConfig;
}

/** Reads the JSON value of a classifier's `config.json`. `where` is its name in error messages. */
export function parseClassifierConfig(json: unknown, where = "config.json"): ClassifierConfig {
  const fields = new JsonFields(json, where);
  const architecture = architectureIn(fields, classifies);
  return { ...architecture.readConfig(fields), ...readClassifierHead(fields) };
}

/** Reads the JSON value of a token classifier's `config.json`. */
export function parseTokenClassifierConfig(json: unknown, where = "config.json"): TokenClassifierConfig {
  return { ...parseClassifierConfig(json, where), problemType: null, perToken: true };
}

/** Reads the JSON value of a `config.json` for a base model without a head. `where` is its name in error messages. */
export function parseStackConfig(json: unknown, where = "config.json"): ArchitectureConfig {
  const fields = new JsonFields(json, where);
  return architectureIn(fields, ({ create }) => create !== undefined).readConfig(fields);
}

/**
 * Returns the architecture for the `model_type` of a config. Throws if the model type is unknown or if `fit` returns
 * false for its architecture. The error lists the architectures for which `fit` returns true.
 */
function architectureIn(fields: JsonFields, fit: (architecture: Architecture) => boolean): Architecture {
  const names = architectures().flatMap((one) => (fit(one) ? [one.modelType] : []));
  return architectureOf({ modelType: fields.oneOf("model_type", names) });
}

/** Converts a config to a `config.json` object with the keys of transformers 4, which transformers 5 also reads. */
export function toHfConfig(
  config: ModelConfig | ClassifierConfig,
  options: { dtype?: string } = {},
): Record<string, unknown> {
  checkOptions("toHfConfig", options, { dtype: true });
  return hfConfig(architectureOf(config), config, options);
}
