import { type ModelFiles, readJson } from "@lowrank/files";
import { type BertConfig, bertToHf, readBertConfig } from "./bertConfig.ts";
import { type ClassifierHead, classifierHeadToHf, readClassifierHead } from "./classifierHead.ts";
import { type GPT2Config, gpt2ToHf, readGPT2Config } from "./gpt2Config.ts";
import { JsonFields } from "./jsonFields.ts";

/** A GPT-2 that classifies sequences by their last token. */
export type GPT2ClassifierConfig = GPT2Config & ClassifierHead;

/** The shape of any supported sequence classifier. */
export type ClassifierConfig = BertConfig | GPT2ClassifierConfig;

/** Whether a config is that of a classifier. */
export function isClassifierConfig(config: object): config is ClassifierConfig {
  return "labels" in config;
}

/** Reads a classifier's `config.json`, as transformers 4 or 5 writes it. */
export async function readClassifierConfig(files: ModelFiles): Promise<ClassifierConfig> {
  return parseClassifierConfig(await readJson(files, "config.json"), `config.json of ${files.label}`);
}

/** Reads the JSON value of a classifier's `config.json`; `where` is what error messages call it. */
export function parseClassifierConfig(json: unknown, where = "config.json"): ClassifierConfig {
  const fields = new JsonFields(json, where);
  const type = fields.oneOf("model_type", ["bert", "roberta", "gpt2"]);
  return type === "gpt2" ? { ...readGPT2Config(fields), ...readClassifierHead(fields) } : readBertConfig(fields, type);
}

/** The JSON object of a classifier's `config.json` with the keys of transformers 4. */
export function classifierToHf(config: ClassifierConfig): Record<string, unknown> {
  if (config.modelType !== "gpt2") return bertToHf(config);
  return { ...gpt2ToHf(config), architectures: ["GPT2ForSequenceClassification"], ...classifierHeadToHf(config) };
}
