import { type ModelFiles, readJson } from "@lowrank/files";
import type { Architecture } from "../architecture.ts";
import { architectureOf, architectures } from "../registry.ts";
import {
  type ArchitectureConfig,
  type ClassifierConfig,
  isClassifierConfig,
  type ModelConfig,
} from "./architectureConfig.ts";
import { classifierHeadToHf, readClassifierHead } from "./classifierHead.ts";
import { JsonFields } from "./jsonFields.ts";

/** Reads a language model's `config.json`, as transformers 4 or 5 writes it. */
export async function readModelConfig(files: ModelFiles): Promise<ModelConfig> {
  return parseModelConfig(await readJson(files, "config.json"), `config.json of ${files.label}`);
}

/**
 * Reads the JSON value of a language model's `config.json`; `where` is what error messages call it.
 */
export function parseModelConfig(json: unknown, where = "config.json"): ModelConfig {
  const fields = new JsonFields(json, where);
  const [head] = [fields.raw("architectures") ?? []].flat();
  if (typeof head === "string" && head.endsWith("ForSequenceClassification")) {
    throw new Error(`${where}: ${head} classifies sequences and writes none; load it with loadSequenceClassifier`);
  }
  return architectureIn(fields, ({ heads }) => heads.causalLM !== undefined).readConfig(fields) as ModelConfig;
}

/** Reads a classifier's `config.json`, as transformers 4 or 5 writes it. */
export async function readClassifierConfig(files: ModelFiles): Promise<ClassifierConfig> {
  return parseClassifierConfig(await readJson(files, "config.json"), `config.json of ${files.label}`);
}

/** Reads the JSON value of a classifier's `config.json`; `where` is what error messages call it. */
export function parseClassifierConfig(json: unknown, where = "config.json"): ClassifierConfig {
  const fields = new JsonFields(json, where);
  const architecture = architectureIn(fields, ({ heads }) => heads.sequenceClassification !== undefined);
  return { ...architecture.readConfig(fields), ...readClassifierHead(fields) };
}

/**
 * Reads the JSON value of a `config.json` for its stack alone; `where` is
 * what error messages call it.
 */
export function parseStackConfig(json: unknown, where = "config.json"): ArchitectureConfig {
  const fields = new JsonFields(json, where);
  return architectureIn(fields, ({ create }) => create !== undefined).readConfig(fields);
}

/**
 * Finds the architecture of a config's `model_type`. Throws, naming those that are `fit`,
 * where it is none of them.
 */
function architectureIn(fields: JsonFields, fit: (architecture: Architecture) => boolean): Architecture {
  const names = architectures().flatMap((one) => (fit(one) ? [one.modelType] : []));
  return architectureOf({ modelType: fields.oneOf("model_type", names) });
}

/**
 * Returns the JSON object of a `config.json` with the keys of transformers 4, which
 * transformers 5 also reads.
 */
export function toHfConfig(
  config: ModelConfig | ClassifierConfig,
  options: { dtype?: string } = {},
): Record<string, unknown> {
  const { heads, ...architecture } = architectureOf(config);
  const classifies = isClassifierConfig(config);
  const keys = {
    ...architecture.writeConfig(config),
    architectures: [(classifies ? heads.sequenceClassification : heads.causalLM)?.className],
    ...(classifies && classifierHeadToHf(config)),
    model_type: config.modelType,
    torch_dtype: options.dtype ?? "float32",
  };
  // In transformers' order.
  return Object.fromEntries(Object.entries(keys).sort(([a], [b]) => (a < b ? -1 : 1)));
}
