import { type ModelFiles, readJson } from "@lowrank/files";
import { type ClassifierConfig, classifierToHf, isClassifierConfig } from "./classifierConfig.ts";
import { type GPT2Config, gpt2ToHf, readGPT2Config } from "./gpt2Config.ts";
import { JsonFields } from "./jsonFields.ts";
import { type LlamaConfig, llamaToHf, readLlamaConfig } from "./llamaConfig.ts";

/** The shape of any supported language model. */
export type ModelConfig = LlamaConfig | GPT2Config;

/** Reads a model's `config.json`, as transformers 4 or 5 writes it. */
export async function readModelConfig(files: ModelFiles): Promise<ModelConfig> {
  return parseModelConfig(await readJson(files, "config.json"), `config.json of ${files.label}`);
}

/** Reads the JSON value of a `config.json`; `where` is what error messages call it. */
export function parseModelConfig(json: unknown, where = "config.json"): ModelConfig {
  const fields = new JsonFields(json, where);
  const [head] = [fields.raw("architectures") ?? []].flat();
  if (typeof head === "string" && head.endsWith("ForSequenceClassification")) {
    throw new Error(`${where}: ${head} classifies sequences and writes none; load it with loadSequenceClassifier`);
  }
  switch (fields.oneOf("model_type", ["llama", "gpt2"])) {
    case "llama":
      return readLlamaConfig(fields);
    case "gpt2":
      return readGPT2Config(fields);
  }
}

/** The JSON object of a `config.json` with the keys of transformers 4, which transformers 5 also reads. */
export function toHfConfig(
  config: ModelConfig | ClassifierConfig,
  options: { dtype?: string } = {},
): Record<string, unknown> {
  if (isClassifierConfig(config)) return { ...classifierToHf(config), torch_dtype: options.dtype ?? "float32" };
  const keys = config.modelType === "llama" ? llamaToHf(config) : gpt2ToHf(config);
  return { ...keys, torch_dtype: options.dtype ?? "float32" };
}
