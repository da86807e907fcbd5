import type { Backend } from "@lowrank/core";
import { OptionError } from "@lowrank/core";
import type { CausalLM, Tokenizer } from "@lowrank/models";
import { type CacheSizes, layerCaches } from "@lowrank/nn/internal";
import type { PeftModel } from "@lowrank/peft";
import type { AdapterHost, AdapterProvider } from "../api/adapterProvider.ts";

/** Options for `createEngine`, named as in vLLM. */
export interface EngineOptions {
  /**
   * Model with or without adapters, on a batch-invariant backend. The caller owns it, and must not use it until the
   * engine is closed.
   */
  model: CausalLM | PeftModel<CausalLM>;
  tokenizer: Tokenizer;
  /** Name of the base model in answers. */
  servedModelName: string;
  /**
   * Function that creates the source of adapters, such as `adapterStore(options)`. The source loads adapters onto the
   * model through `host`. Default: no adapters.
   */
  adapters?: (host: AdapterHost) => AdapterProvider;
  /** Maximum number of sequences that run at once. Default 64. */
  maxNumSeqs?: number;
  /**
   * Maximum number of rows of a pass. A pass has one row for each prompt token and for each decoding sequence. Default:
   * the larger of 128 and `maxNumSeqs`.
   */
  maxNumBatchedTokens?: number;
  /**
   * Maximum number of tokens of a sequence. Default: the model's maximum, or the number of tokens that the cache can
   * hold if this is less.
   */
  maxModelLen?: number;
  /** Tokens per page of the cache. Default 16. */
  blockSize?: number;
  /** Pages of the cache. Default: as many as fit `kvCacheMemoryBytes`. */
  numBlocks?: number;
  /** Bytes for keys and values. Default 256 MiB, or less if `maxNumSeqs` sequences need less. */
  kvCacheMemoryBytes?: number;
  /** Reuses cached pages of earlier requests with the same tenant, adapter and prefix. Default true. */
  enablePrefixCaching?: boolean;
  /**
   * Maximum value of `logprobs` and `promptLogprobs` in a request: the number of log-probabilities per token. Default
   * 20.
   */
  maxLogprobs?: number;
  /** Maximum number of requests that wait. Further requests are refused with `queue_full`. Default 1024. */
  maxQueue?: number;
}

/** Sizes that an engine uses: its options, with defaults filled in. */
export interface EngineSizes {
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxModelLen: number;
  readonly blockSize: number;
  readonly numBlocks: number;
  readonly maxLogprobs: number;
  readonly maxQueue: number;
}

/** Returns the sizes from the options and the model. Throws if an option is invalid; the error names the option. */
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
    throw new OptionError("createEngine", name, size, `is ${size}; expected a whole number${hint(name, blockBytes)}`);
  }
  if (maxNumBatchedTokens < maxNumSeqs) {
    throw new OptionError("createEngine", "maxNumBatchedTokens", maxNumBatchedTokens, (named) => {
      const [tokens, sequences] = [named("maxNumBatchedTokens"), named("maxNumSeqs")];
      return `${tokens} is ${maxNumBatchedTokens}, less than ${sequences} ${maxNumSeqs}, and each running sequence needs a token per batch; give at least ${maxNumSeqs}`;
    });
  }
  if (maxModelLen > model.sharedPositions) {
    const problem = `the model supports at most ${model.sharedPositions} positions; give ${model.sharedPositions} or less`;
    throw new OptionError("createEngine", "maxModelLen", maxModelLen, `is ${maxModelLen}, but ${problem}`);
  }
  if (maxModelLen > numBlocks * blockSize) {
    const room = `${numBlocks * blockSize} tokens (${numBlocks} blocks of ${blockSize})`;
    throw new OptionError("createEngine", "maxModelLen", maxModelLen, (named) => {
      const option = named("maxModelLen");
      return `${option} is ${maxModelLen}, but the KV cache has room for only ${room}; raise numBlocks, or lower ${option}`;
    });
  }
  return sizes;
}

/** Returns the number of elements that the KV caches of all layers hold per token. */
function numbersOfToken(sizes: CacheSizes): number {
  return layerCaches(sizes).reduce(
    (sum, { keyValueHeads, headDim, rowWidth = 0 }) => sum + 2 * keyValueHeads * headDim + rowWidth,
    0,
  );
}

function hint(name: string, blockBytes: number): string {
  return name === "numBlocks" ? ` of at least 1; a block takes ${blockBytes} bytes of kvCacheMemoryBytes` : "";
}

/**
 * Throws for a backend that is not batch-invariant, on which a request's results would depend on other requests in the
 * pass.
 */
export function checkBackend(maker: string, backend: Backend): void {
  if (backend.batchInvariant) return;
  throw new Error(
    `${maker}: the backend "${backend.name}" is not batch-invariant, so that a request's results would depend on its batch; start it with batchInvariant, as in wasm({ batchInvariant: true })`,
  );
}
