import { checkOptions } from "@lowrank/core/internal";
import { SequenceClassifier } from "@lowrank/models";
import type { ServingEngine } from "../api/api.ts";
import { Engine } from "./engine.ts";
import type { EngineOptions } from "./engineOptions.ts";

/**
 * Creates an engine that serves requests with a model, many in one pass, each with its own adapter. Throws for a
 * backend that is not batch-invariant, and for sizes that do not fit together.
 */
export async function createEngine(options: EngineOptions): Promise<ServingEngine> {
  checkOptions("createEngine", options, {
    ...({ model: true, tokenizer: true, servedModelName: true, adapters: true, maxNumSeqs: true } as const),
    ...({ maxNumBatchedTokens: true, maxModelLen: true, blockSize: true, numBlocks: true } as const),
    ...({ kvCacheMemoryBytes: true, enablePrefixCaching: true, maxLogprobs: true, maxQueue: true } as const),
  });
  if ((options.model as unknown) instanceof SequenceClassifier) {
    throw new Error("createEngine: the model is an encoder, which generates no text; createEmbeddingEngine serves it");
  }
  return new Engine(options);
}
