import { readFile, stat } from "node:fs/promises";
import { type ModelFiles, type OpenOptions, openFile, openFiles, readJson } from "@lowrank/files";
import {
  architectures,
  classifiesSequences,
  describeConfig,
  type ModelConfig,
  openGguf,
  parseModelConfig,
  presetConfig,
  presetJson,
} from "@lowrank/models";
import type { FloatDType, ModelShapes } from "@lowrank/peft";
import { isGguf } from "./loading.ts";

/**
 * The config that a word means: a config.json, the folder or GGUF file of a language model, on
 * disk or by its address, or a preset's name.
 */
export async function findModelConfig(source: string): Promise<ModelConfig> {
  const found = await readConfig(source);
  return found ? parseModelConfig(found.json, found.label) : presetConfig(source);
}

/** A model without weights, and how its weights are stored. */
export interface FoundModel {
  readonly shapes: ModelShapes;
  /** The dtype that the model's config names; f32 if it names none. */
  readonly dtype: FloatDType;
}

/**
 * Finds the shapes of the model that a word names: a config.json, the folder or GGUF file of a
 * model, on disk or by its address, or a preset's name. With `classifies`, a model without a head
 * that classifies gets it, as in transformers.
 */
export async function findModel(
  source: string,
  { classifies = false }: { classifies?: boolean } = {},
): Promise<FoundModel> {
  const found = await readConfig(source);
  // A name that is not known throws.
  const json = found?.json ?? presetJson(source) ?? presetConfig(source);
  const where = found?.label ?? `preset ${source}`;
  return { shapes: describeConfig(json, { where, classifies }), dtype: storedDType(json, where) };
}

/** A config's JSON value, its name for messages, and the files beside it, where there are some. */
interface FoundConfig {
  readonly json: unknown;
  readonly label: string;
  readonly files?: ModelFiles;
}

/** Reads headers of files of the hub without downloading the files. */
export const headersAlone: OpenOptions = { hub: { cache: false } };

/** Reads a config; undefined for a word that is no file or folder. */
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

/** True if a model's folder classifies sequences and writes none. */
export async function isClassifier(source: string): Promise<boolean> {
  const found = await readConfig(source);
  return found !== undefined && classifiesSequences(found.json, found.label);
}

/** True for the folder of an encoder: of an architecture that predicts no next token. */
export async function isEncoder(source: string): Promise<boolean> {
  const { model_type: type } = ((await readConfig(source))?.json ?? {}) as { model_type?: unknown };
  const heads = architectures().find(({ modelType }) => modelType === type)?.heads;
  return heads?.causalLM === undefined && heads?.sequenceClassification !== undefined;
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
