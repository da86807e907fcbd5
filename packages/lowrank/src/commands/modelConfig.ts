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
import { llamaClassifier } from "../report/llamaClassifier.ts";
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
 * AutoModel makes it. With `classifies`, one without a head that classifies gets it, as in transformers.
 */
export async function findModel(
  source: string,
  { classifies = false }: { classifies?: boolean } = {},
): Promise<FoundModel> {
  const encoder = findEncoder(source, { classifies });
  if (encoder) return { shapes: encoder, dtype: "f32" };
  const found = await readConfig(source);
  if ("config" in found) return { shapes: withHead(found.config, classifies ? 2 : 0), dtype: "f32" };
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
  if (type === "llama" || head !== "classifier") {
    const asked = classifies || head === "classifier";
    // The decoder is read apart from its head.
    const decoder = parseModelConfig({ ...(json as object), architectures: undefined }, label);
    return withHead(decoder, asked ? labelCount(json, label) : 0);
  }
  return describeModel(parseClassifierConfig(json, label));
}

/** How many labels a config.json says, in fields that all models' have. */
function labelCount(json: unknown, label: string): number {
  const { id2label, num_labels } = json as { id2label?: unknown; num_labels?: unknown };
  return parseClassifierConfig({ model_type: "bert", id2label, num_labels }, label).labels.length;
}

/** A decoder that classifies into so many labels; 0: as it is. */
function withHead(config: ModelConfig, labels: number): ModelShapes {
  if (labels === 0) return describeModel(config);
  if (config.modelType === "llama") return llamaClassifier(config, labels);
  const names = Array.from({ length: labels }, (_, i) => `LABEL_${i}`);
  return describeModel<ClassifierConfig>({ ...config, labels: names, problemType: null });
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

/** Whether a model on disk classifies sequences and writes none. */
export async function isClassifier(source: string): Promise<boolean> {
  const found = await readConfig(source);
  if ("config" in found) return false;
  const { model_type: type } = (found.json ?? {}) as { model_type?: unknown };
  return type === "bert" || type === "roberta" || headOf(found.json) === "classifier";
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
