import type { OptionKeys } from "@lowrank/core";
import type { CausalLM, Tokenizer } from "@lowrank/models";
import { type CacheSizes, layerCaches } from "@lowrank/nn";
import type { PeftModel } from "@lowrank/peft";
import type { AdapterHost, AdapterProvider } from "../adapters/adapterProvider.ts";

/** Options of `createEngine`, named as vLLM names them. */
export interface EngineOptions {
  /**
   * The model, bare or with adapters on it. It must run on a batch-invariant backend. It stays the
   * caller's, who must not use it before the engine is closed.
   */
  model: CausalLM | PeftModel<CausalLM>;
  tokenizer: Tokenizer;
  /** The base model's name in answers. */
  servedModelName: string;
  /** Makes the source of adapters, which puts them on the model by `host`. Default: none. */
  adapters?: (host: AdapterHost) => AdapterProvider;
  /** The most sequences that run at once. Default 64. */
  maxNumSeqs?: number;
  /**
   * The most rows of a pass: tokens of prompts and of sequences that decode. Default 128, or
   * `maxNumSeqs` where that is more.
   */
  maxNumBatchedTokens?: number;
  /**
   * The most tokens of a sequence. Default: the model's positions, as far as the cache holds them.
   */
  maxModelLen?: number;
  /** Tokens of a page of the cache. Default 16. */
  blockSize?: number;
  /** Pages of the cache. Default: as many as `kvCacheMemoryBytes` hold. */
  numBlocks?: number;
  /** Bytes for keys and values. Default 256 MiB, or less if `maxNumSeqs` sequences need less. */
  kvCacheMemoryBytes?: number;
  /** Requests go on from pages that earlier ones of their tenant and adapter left. Default true. */
  enablePrefixCaching?: boolean;
  /** The most log-probabilities for a token. Default 20. */
  maxLogprobs?: number;
  /** The most requests that wait; further ones are refused with `queue_full`. Default 1024. */
  maxQueue?: number;
}

/** The names of all options of `createEngine`. */
export const engineKeys: OptionKeys<EngineOptions> = {
  ...({ model: true, tokenizer: true, servedModelName: true, adapters: true, maxNumSeqs: true } as const),
  ...({ maxNumBatchedTokens: true, maxModelLen: true, blockSize: true, numBlocks: true } as const),
  ...({ kvCacheMemoryBytes: true, enablePrefixCaching: true, maxLogprobs: true, maxQueue: true } as const),
};

/** The sizes of an engine. */
export interface EngineSizes {
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxModelLen: number;
  readonly blockSize: number;
  readonly numBlocks: number;
  readonly maxLogprobs: number;
  readonly maxQueue: number;
}

/**
 * Returns the sizes that options and model give. Throws, naming the option, for one that cannot be.
 */
export function engineSizes(options: EngineOptions, model: CausalLM): EngineSizes {
  const { maxNumSeqs = 64, blockSize = 16, maxLogprobs = 20, maxQueue = 1024 } = options;
  const { maxNumBatchedTokens = Math.max(128, maxNumSeqs) } = options;
  const { kvCacheMemoryBytes = 256 * 2 ** 20 } = options;
  const blockBytes = 4 * blockSize * numbersOfToken(model.attentionSizes);
  const longest = Math.ceil(model.sharedPositions / blockSize);
  const numBlocks = options.numBlocks ?? Math.min(maxNumSeqs * longest, Math.floor(kvCacheMemoryBytes / blockBytes));
  const maxModelLen = options.maxModelLen ?? Math.min(model.sharedPositions, numBlocks * blockSize);
  const sizes = { maxNumSeqs, maxNumBatchedTokens, blockSize, numBlocks, maxModelLen, maxLogprobs, maxQueue };
  for (const [name, size] of Object.entries(sizes)) {
    if (Number.isSafeInteger(size) && size >= (name === "maxLogprobs" ? 0 : 1)) continue;
    throw new Error(`createEngine: ${name} is ${size}; expected a whole number${hint(name, blockBytes)}`);
  }
  if (maxNumBatchedTokens < maxNumSeqs) {
    throw new Error(
      `createEngine: maxNumBatchedTokens is ${maxNumBatchedTokens}, but each of maxNumSeqs ${maxNumSeqs} sequences needs a row of a pass; give at least as many`,
    );
  }
  if (maxModelLen > model.sharedPositions) {
    throw new Error(
      `createEngine: maxModelLen is ${maxModelLen}, and the model has ${model.sharedPositions} positions for it; give no more`,
    );
  }
  if (maxModelLen > numBlocks * blockSize) {
    throw new Error(
      `createEngine: maxModelLen is ${maxModelLen}, and the cache holds ${numBlocks * blockSize} tokens: ${numBlocks} blocks of ${blockSize}; give more blocks, or less maxModelLen`,
    );
  }
  return sizes;
}

/** Counts the numbers that all layers keep of a token. */
function numbersOfToken(sizes: CacheSizes): number {
  return layerCaches(sizes).reduce(
    (sum, { keyValueHeads, headDim, rowWidth = 0 }) => sum + 2 * keyValueHeads * headDim + rowWidth,
    0,
  );
}

function hint(name: string, blockBytes: number): string {
  return name === "numBlocks" ? ` of at least 1; a block takes ${blockBytes} bytes of kvCacheMemoryBytes` : "";
}
