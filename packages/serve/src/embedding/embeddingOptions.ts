import { OptionError } from "@lowrank/core";
import { type ModelFiles, readJson } from "@lowrank/files";
import type { Encoder, SequenceClassifier, Tokenizer } from "@lowrank/models";
import { z } from "zod";
import type { AdapterHost, AdapterProvider } from "../api/adapterProvider.ts";

/** Options for `createEmbeddingEngine`, named as in vLLM. */
export interface EmbeddingEngineOptions {
  /**
   * The encoder, on a batch-invariant backend. If it is a classifier, its head is ignored. Adapters must be trained for
   * feature extraction, that is, with the module names of a model without a head. The caller still owns the model, but
   * must not use it until the engine is closed.
   */
  model: SequenceClassifier | Encoder;
  tokenizer: Tokenizer;
  /** Model name in answers. */
  servedModelName: string;
  /**
   * Folder of the model. Its sentence-transformers files define how token states become embeddings. Default: the mean
   * over a text's tokens, scaled to length 1.
   */
  files?: ModelFiles;
  /**
   * Function that creates the source of adapters, such as `adapterStore(options)`. The source loads adapters onto the
   * model through `host`. Default: no adapters.
   */
  adapters?: (host: AdapterHost) => AdapterProvider;
  /** Maximum number of texts in a pass. Default 64. */
  maxNumSeqs?: number;
  /** Maximum number of tokens in a pass, including padding. A longer text runs alone. Default 2048. */
  maxNumBatchedTokens?: number;
  /** Maximum number of tokens of a text. Default: the setting in the model's folder, or else the model's maximum. */
  maxModelLen?: number;
  /** Maximum number of waiting and running texts. More are refused with `queue_full`. Default 1024. */
  maxQueue?: number;
}

/** Sizes that an embedding engine uses, and its model folder's settings for converting texts to embeddings. */
export interface EmbeddingSettings extends SentenceConfig {
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxModelLen: number;
  readonly maxQueue: number;
}

/**
 * Returns the settings from the options, the model's folder and the model. Throws if a value is invalid; the error
 * names the option or the file.
 */
export async function embeddingSettings(options: EmbeddingEngineOptions): Promise<EmbeddingSettings> {
  const { model, files, maxNumSeqs = 64, maxNumBatchedTokens = 2048, maxQueue = 1024 } = options;
  const { maxPositions } = model;
  const sentence = files ? await readSentenceConfig(files, model.attentionSizes.hiddenSize) : plainConfig;
  const maxModelLen = options.maxModelLen ?? Math.min(sentence.maxSeqLength ?? maxPositions, maxPositions);
  const sizes = { maxNumSeqs, maxNumBatchedTokens, maxModelLen, maxQueue };
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isSafeInteger(size) && size >= 1) continue;
    throw new OptionError("createEmbeddingEngine", name, size, `is ${size}; expected a whole number of at least 1`);
  }
  if (maxModelLen <= maxPositions) return { ...sentence, ...sizes };
  const problem = `the model supports at most ${maxPositions} positions; give ${maxPositions} or less`;
  throw new OptionError("createEmbeddingEngine", "maxModelLen", maxModelLen, `is ${maxModelLen}, but ${problem}`);
}

/** Settings of sentence-transformers for converting texts to embeddings. */
interface SentenceConfig {
  /** True if embeddings are scaled to length 1. */
  readonly normalize: boolean;
  /** Maximum number of tokens of a text; null: the model's maximum. */
  readonly maxSeqLength: number | null;
  /** True if texts are converted to lower case. */
  readonly lowerCase: boolean;
}

/** Settings for a folder without sentence-transformers files: the mean over tokens, scaled to length 1. */
export const plainConfig: SentenceConfig = { normalize: true, maxSeqLength: null, lowerCase: false };

const modulesSchema = z.array(z.looseObject({ type: z.string(), path: z.string() })).min(1);
const textsSchema = z.looseObject({
  max_seq_length: z.int().min(1).nullish(),
  do_lower_case: z.boolean().nullish(),
});
const poolingSchema = z.looseObject({ word_embedding_dimension: z.int().min(1).optional() });
const promptsSchema = z.looseObject({ default_prompt_name: z.string().nullish() });

/**
 * Reads modules.json and the files that it names, in the format of sentence-transformers. Throws an error with file and
 * module for unsupported features: another pooling than the mean, further layers, or default prompts.
 */
export async function readSentenceConfig(files: ModelFiles, hiddenSize: number): Promise<SentenceConfig> {
  if (!(await files.has("modules.json"))) return plainConfig;
  const modules = await read(files, "modules.json", modulesSchema);
  // Versions of the library name a module by different paths, such as a.models.Pooling.
  const names = modules.map(({ type }) => type.slice(type.lastIndexOf(".") + 1));
  const order = names.join(", ");
  if (order !== "Transformer, Pooling" && order !== "Transformer, Pooling, Normalize") {
    throw new Error(
      `modules.json of ${files.label}: its modules are ${order}; supported are Transformer, Pooling and optionally Normalize, in this order`,
    );
  }
  await checkPooling(files, `${modules[1].path}/config.json`, hiddenSize);
  await checkPrompts(files);
  const texts = await readIfThere(files, "sentence_bert_config.json", textsSchema);
  return {
    normalize: names.length === 3,
    maxSeqLength: texts?.max_seq_length ?? null,
    lowerCase: texts?.do_lower_case ?? false,
  };
}

async function checkPooling(files: ModelFiles, path: string, hiddenSize: number): Promise<void> {
  const pooling = await read(files, path, poolingSchema);
  const modes = Object.keys(pooling).filter((key) => key.startsWith("pooling_mode_") && pooling[key] !== false);
  // The library uses the mean if a file names no mode.
  if (modes.some((mode) => mode !== "pooling_mode_mean_tokens")) {
    throw new Error(
      `${path} of ${files.label}: it sets ${modes.join(", ")}; only pooling_mode_mean_tokens is supported`,
    );
  }
  const { word_embedding_dimension: size = hiddenSize, pooling_mode: mode = "mean" } = pooling;
  if (mode !== "mean") throw new Error(`${path} of ${files.label}: pooling_mode is ${mode}; only mean is supported`);
  if (size === hiddenSize) return;
  throw new Error(
    `${path} of ${files.label}: word_embedding_dimension is ${size}, and the model's hidden size is ${hiddenSize} numbers; the files belong to different models`,
  );
}

async function checkPrompts(files: ModelFiles): Promise<void> {
  const path = "config_sentence_transformers.json";
  const name = (await readIfThere(files, path, promptsSchema))?.default_prompt_name ?? null;
  if (name === null) return;
  throw new Error(
    `${path} of ${files.label}: default_prompt_name is ${name}, but default prompts are not supported; set it to null, and let clients send the prompt with each text`,
  );
}

async function readIfThere<T>(files: ModelFiles, path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  return (await files.has(path)) ? read(files, path, schema) : undefined;
}

async function read<T>(files: ModelFiles, path: string, schema: z.ZodType<T>): Promise<T> {
  const result = schema.safeParse(await readJson(files, path));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Error(`${path} of ${files.label}: ${issue.path.join(".") || "its value"}: ${issue.message}; correct it`);
}
