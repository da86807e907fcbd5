import { readFile, stat } from "node:fs/promises";
import { type ModelFiles, type OpenOptions, openFile, openFiles, readJson } from "@lowrank/files";
import {
  architectures,
  describeConfig,
  type ModelConfig,
  openGguf,
  parseModelConfig,
  presetConfig,
} from "@lowrank/models";
import { classifiesSequences, presetJson } from "@lowrank/models/internal";
import type { FloatDType, ModelShapes } from "@lowrank/peft";
import { isGguf } from "./loading.ts";

/**
 * Returns the model config for a source: a config.json, a language model's folder or GGUF file (on disk or by address),
 * or a preset's name.
 */
export async function findModelConfig(source: string): Promise<ModelConfig> {
  const found = await readConfig(source);
  return found ? parseModelConfig(found.json, found.label) : presetConfig(source);
}

/** Shapes of a model without its weights, and the dtype of the stored weights. */
export interface FoundModel {
  readonly shapes: ModelShapes;
  /** The dtype that the model's config names; f32 if it names none. */
  readonly dtype: FloatDType;
}

/**
 * Finds the shapes of a model by its source: a config.json, a model's folder or GGUF file (on disk or by address), or a
 * preset's name. With `classifies`, a model without a classification head gets one, as in transformers.
 */
export async function findModel(
  source: string,
  { classifies = false }: { classifies?: boolean } = {},
): Promise<FoundModel> {
  const found = await readConfig(source);
  // Throws for an unknown name.
  const json = found?.json ?? presetJson(source) ?? presetConfig(source);
  const where = found?.label ?? `preset ${source}`;
  return { shapes: describeConfig(json, { where, classifies }), dtype: storedDType(json, where) };
}

/**
 * A model's config as parsed JSON, the config's name for messages, and the model's files. `files` is undefined for a
 * config.json given as a single file.
 */
interface FoundConfig {
  readonly json: unknown;
  readonly label: string;
  readonly files?: ModelFiles;
}

/** Options for reading only the headers of files on the hub, without downloading the whole files. */
export const headersAlone: OpenOptions = { hub: { cache: false } };

/** Reads a config. Returns undefined if the source is not a file or folder. */
export async function readConfig(source: string): Promise<FoundConfig | undefined> {
  const isOnline = /^(hf|https?):/i.test(source);
  const found = isOnline ? undefined : await stat(source).catch(() => undefined);
  if (found?.isDirectory() || (isOnline && !isGguf(source))) {
    const files = await openFiles(source);
    return { json: await readJson(files, "config.json"), label: `config.json of ${files.label}`, files };
  }
  if ((found || isOnline) && isGguf(source)) {
    const { files } = await openGguf(await openFile(source, headersAlone), source);
    return { json: await readJson(files, "config.json"), label: source, files };
  }
  if (found) return { json: parseJson(await readFile(source, "utf8"), source), label: source };
  if (/[\\/]|\.(json|gguf)$/.test(source)) throw new Error(`there is no file or folder ${source}`);
  return undefined;
}

/** Returns true if a model's folder holds a sequence classifier. */
export async function isClassifier(source: string): Promise<boolean> {
  const found = await readConfig(source);
  return found !== undefined && classifiesSequences(found.json, found.label);
}

/** Returns true for the folder of an encoder: an architecture that cannot predict the next token. */
export async function isEncoder(source: string): Promise<boolean> {
  const { model_type: type } = ((await readConfig(source))?.json ?? {}) as { model_type?: unknown };
  const heads = architectures().find(({ modelType }) => modelType === type)?.heads;
  return heads?.causalLM === undefined && heads?.sequenceClassification !== undefined;
}

const dtypes: Readonly<Record<string, FloatDType>> = { float32: "f32", float16: "f16", bfloat16: "bf16" };

/** Returns the dtype named in a config.json, in which transformers loads the model. */
function storedDType(json: unknown, label: string): FloatDType {
  const { dtype, torch_dtype } = (json ?? {}) as { dtype?: string; torch_dtype?: string };
  const name = dtype ?? torch_dtype ?? "float32";
  if (Object.hasOwn(dtypes, name)) return dtypes[name];
  throw new Error(`${label}: dtype is ${JSON.stringify(name)}; known are ${Object.keys(dtypes).join(", ")}`);
}

/** Parses a file's JSON. Throws an error that names the file if the text is not JSON. */
export function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} is not valid JSON: ${(error as Error).message}`);
  }
}
