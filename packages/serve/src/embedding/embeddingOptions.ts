import type { OptionKeys } from "@lowrank/core";
import type { ModelFiles } from "@lowrank/files";
import type { Encoder, SequenceClassifier, Tokenizer } from "@lowrank/models";
import type { AdapterHost, AdapterProvider } from "../adapters/adapterProvider.ts";
import { plainConfig, readSentenceConfig, type SentenceConfig } from "./sentenceConfig.ts";

/** Options of `createEmbeddingEngine`, named as vLLM names them. */
export interface EmbeddingEngineOptions {
  /**
   * The encoder; of one with a head the layers below it. Adapters of feature extraction have the
   * names of one without. It must run on a batch-invariant backend. It stays the caller's, who must
   * not use it before the engine is closed.
   */
  model: SequenceClassifier | Encoder;
  tokenizer: Tokenizer;
  /** The model's name in answers. */
  servedModelName: string;
  /**
   * The model's folder, whose files of sentence-transformers say how texts become embeddings.
   * Without them an embedding is the mean over a text's tokens, at length 1.
   */
  files?: ModelFiles;
  /** Makes the source of adapters, which puts them on the model by `host`. Default: none. */
  adapters?: (host: AdapterHost) => AdapterProvider;
  /** The most texts of a pass. Default 64. */
  maxNumSeqs?: number;
  /**
   * The most tokens of a pass, with padding; a longer text runs alone. Default 2048.
   */
  maxNumBatchedTokens?: number;
  /** The most tokens of a text. Default: what the folder says, else the model's positions. */
  maxModelLen?: number;
  /** The most texts that wait or run; further ones are refused with `queue_full`. Default 1024. */
  maxQueue?: number;
}

/** The names of all options of `createEmbeddingEngine`. */
export const embeddingKeys: OptionKeys<EmbeddingEngineOptions> = {
  ...({ model: true, tokenizer: true, servedModelName: true, files: true, adapters: true } as const),
  ...({ maxNumSeqs: true, maxNumBatchedTokens: true, maxModelLen: true, maxQueue: true } as const),
};

/** The sizes of an engine that embeds, and its folder's way from texts to embeddings. */
export interface EmbeddingSettings extends SentenceConfig {
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxModelLen: number;
  readonly maxQueue: number;
}

/**
 * Returns the settings that options, folder and model give. Throws, naming the option or the file,
 * for what cannot be.
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
    `createEmbeddingEngine: maxModelLen is ${maxModelLen}, and the model has ${maxPositions} positions; give no more`,
  );
}
