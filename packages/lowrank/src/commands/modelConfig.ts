import { readFile, stat } from "node:fs/promises";
import { folderFiles, openFile, readJson } from "@lowrank/files";
import {
  type BertConfig,
  type ClassifierConfig,
  describeModel,
  type ModelConfig,
  openGguf,
  parseClassifierConfig,
  parseModelConfig,
  presetConfig,
} from "@lowrank/models";
import type { FloatDType, ModelShapes } from "@lowrank/peft";
import { encoderOf, findEncoder } from "../report/encoderShapes.ts";
import { isGguf } from "./loading.ts";

/** The config that a word means: a config.json, the folder or GGUF file of a model, or a preset's name. */
export async function findModelConfig(source: string): Promise<ModelConfig> {
  const found = await readConfig(source);
  return "config" in found ? found.config : parseModelConfig(found.json, found.label);
}

/** A model without weights, and how its weights are stored. */
export interface FoundModel {
  readonly shapes: ModelShapes;
  /** What its config says; f32 where that says nothing. */
  readonly dtype: FloatDType;
}

/**
 * The shapes of what a word means: what `findModelConfig` knows, a classifier, or an encoder without a head, as transformers'
 * AutoModel makes it. With `classifies`, an encoder or a GPT-2 without a head that classifies gets one, as transformers
 * gives it.
 */
export async function findModel(
  source: string,
  { classifies = false }: { classifies?: boolean } = {},
): Promise<FoundModel> {
  const encoder = findEncoder(source, { classifies });
  if (encoder) return { shapes: encoder, dtype: "f32" };
  const found = await readConfig(source);
  if ("config" in found) return { shapes: describeModel(withHead(found.config, classifies)), dtype: "f32" };
  const { json, label } = found;
  return { shapes: shapesOf(json, label, classifies), dtype: storedDType(json, label) };
}

function shapesOf(json: unknown, label: string, classifies: boolean): ModelShapes {
  const head = headOf(json);
  const type = (json as { model_type?: unknown } | null)?.model_type;
  if (type === "bert" || type === "roberta") {
    const config = parseClassifierConfig(json, label) as BertConfig;
    return classifies || head === null || head === "classifier" ? describeModel(config) : encoderOf(config);
  }
  const config = head === "classifier" ? parseClassifierConfig(json, label) : parseModelConfig(json, label);
  return describeModel("labels" in config ? config : withHead(config, classifies));
}

function withHead(config: ModelConfig, classifies: boolean): ModelConfig | ClassifierConfig {
  if (!classifies || config.modelType !== "gpt2") return config;
  return { ...config, labels: ["LABEL_0", "LABEL_1"], problemType: null };
}

/** A config's JSON value and what messages call it, or a config that does not come from JSON. */
async function readConfig(source: string): Promise<{ json: unknown; label: string } | { config: ModelConfig }> {
  const found = await stat(source).catch(() => undefined);
  if (found?.isDirectory()) {
    const files = await folderFiles(source);
    return { json: await readJson(files, "config.json"), label: `config.json of ${files.label}` };
  }
  if (found && isGguf(source)) return { config: (await openGguf(await openFile(source), source)).config };
  if (found) return { json: parseJson(await readFile(source, "utf8"), source), label: source };
  if (/[\\/]|\.(json|gguf)$/.test(source)) throw new Error(`there is no file or folder ${source}`);
  return { config: presetConfig(source) };
}

/** Whether a config.json says that its model classifies; null where it says nothing. */
function headOf(json: unknown): "classifier" | "other" | null {
  const { architectures } = (json ?? {}) as { architectures?: unknown };
  const [name] = [architectures ?? []].flat();
  if (name === undefined) return null;
  return String(name).endsWith("ForSequenceClassification") ? "classifier" : "other";
}

const dtypes: Readonly<Record<string, FloatDType>> = { float32: "f32", float16: "f16", bfloat16: "bf16" };

/** The dtype of a config.json, in which transformers loads the model. */
function storedDType(json: unknown, label: string): FloatDType {
  const { dtype, torch_dtype } = (json ?? {}) as { dtype?: string; torch_dtype?: string };
  const name = dtype ?? torch_dtype ?? "float32";
  if (Object.hasOwn(dtypes, name)) return dtypes[name];
  throw new Error(`${label}: dtype is ${JSON.stringify(name)}; known are ${Object.keys(dtypes).join(", ")}`);
}

/** A file's JSON value. Throws, naming the file, where it is none. */
export function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} is not valid JSON: ${(error as Error).message}`);
  }
}
