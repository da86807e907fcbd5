import type { OptionKeys } from "@lowrank/core/internal";
import type { ModelFiles } from "@lowrank/files";
import type { Encoder, SequenceClassifier, Tokenizer } from "@lowrank/models";
import type { AdapterHost, AdapterProvider } from "../api/adapterProvider.ts";
import { plainConfig, readSentenceConfig, type SentenceConfig } from "./sentenceConfig.ts";

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

/** Names of all options of `createEmbeddingEngine`. */
export const embeddingKeys: OptionKeys<EmbeddingEngineOptions> = {
  ...({ model: true, tokenizer: true, servedModelName: true, files: true, adapters: true } as const),
  ...({ maxNumSeqs: true, maxNumBatchedTokens: true, maxModelLen: true, maxQueue: true } as const),
};

/** Sizes that an embedding engine uses, and the settings of its model folder for converting texts. */
export interface EmbeddingSettings extends SentenceConfig {
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxModelLen: number;
  readonly maxQueue: number;
}

/**
 * Returns the settings from options, folder and model. Throws an error that names the option or the file for an invalid
 * value.
 */
export async function embeddingSettings(options: EmbeddingEngineOptions): Promise<EmbeddingSettings> {
  const { model, files, maxNumSeqs = 64, maxNumBatchedTokens = 2048, maxQueue = 1024 } = options;
  const { maxPositions } = model;
  const sentence = files ? await readSentenceConfig(files, model.attentionSizes.hiddenSize) : plainConfig;
  const maxModelLen = options.maxModelLen ?? Math.min(sentence.maxSeqLength ?? maxPositions, maxPositions);
  const sizes = { maxNumSeqs, maxNumBatchedTokens, maxModelLen, maxQueue };
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isSafeInteger(size) && size >= 1) continue;
    throw new Error(`createEmbeddingEngine: ${name} is ${size}; expected a whole number of at least 1`);
  }
  if (maxModelLen <= maxPositions) return { ...sentence, ...sizes };
  throw new Error(
    `createEmbeddingEngine: maxModelLen is ${maxModelLen}, but the model supports at most ${maxPositions} positions; give ${maxPositions} or less`,
  );
}
