import { type ModelFiles, readJson } from "@lowrank/files";
import type { ClassifierConfig, ModelConfig } from "../../config/architectureConfig.ts";
import { readClassifierHead } from "../../config/classifierHead.ts";
import { JsonFields } from "../../config/jsonFields.ts";
import type { Architecture } from "../../model/architecture.ts";
import { architectureNames, loadArchitecture, loadKnown } from "../loadArchitecture.ts";

/** Reads a language model's `config.json`, in the format of transformers 4 or 5. */
export async function readModelConfig(files: ModelFiles): Promise<ModelConfig> {
  const fields = languageFields(await readJson(files, "config.json"), `config.json of ${files.label}`);
  return (await loadIn(fields, writes)).readConfig(fields) as ModelConfig;
}

/** Reads a classifier's `config.json`, in the format of transformers 4 or 5. */
export async function readClassifierConfig(files: ModelFiles): Promise<ClassifierConfig> {
  const fields = new JsonFields(await readJson(files, "config.json"), `config.json of ${files.label}`);
  const architecture = await loadIn(fields, classifies);
  return { ...architecture.readConfig(fields), ...readClassifierHead(fields) };
}

/**
 * Loads the architecture for the `model_type` of a config. Throws if the model type is unknown or if `fit` returns
 * false for its architecture. The error lists the architectures for which `fit` returns true.
 */
async function loadIn(fields: JsonFields, fit: (architecture: Architecture) => boolean): Promise<Architecture> {
  const found = await loadKnown(String(fields.raw("model_type")));
  if (found && fit(found)) return found;
  const all = await Promise.all((await architectureNames()).map((modelType) => loadArchitecture({ modelType })));
  const names = all.flatMap((one) => (fit(one) ? [one.modelType] : []));
  return loadArchitecture({ modelType: fields.oneOf("model_type", names) });
}

/** Returns true if the architecture supports a language-model head. */
export function writes({ heads }: Architecture): boolean {
  return heads.causalLM !== undefined;
}

/** Returns true if the architecture supports a sequence classification head. */
export function classifies({ heads }: Architecture): boolean {
  return heads.sequenceClassification !== undefined;
}

/** Returns the fields of a language model's `config.json`. Throws if the config is for a sequence classifier. */
export function languageFields(json: unknown, where: string): JsonFields {
  const fields = new JsonFields(json, where);
  const [head] = [fields.raw("architectures") ?? []].flat();
  if (typeof head === "string" && head.endsWith("ForSequenceClassification")) {
    throw new Error(`${where}: ${head} classifies texts and cannot generate them; load it with loadSequenceClassifier`);
  }
  return fields;
}
