import { checkOptions } from "@lowrank/core/internal";
import type { ServingEngine } from "../api/api.ts";
import { checkBackend } from "../engine/engineOptions.ts";
import { EmbeddingEngine } from "./embeddingEngine.ts";
import { type EmbeddingEngineOptions, embeddingKeys, embeddingSettings } from "./embeddingOptions.ts";

/**
 * Creates an engine that computes embeddings with an encoder. Texts of all requests share passes. Throws if the backend
 * is not batch-invariant, or if the model folder's sentence-transformers files name a pooling other than the mean.
 */
export async function createEmbeddingEngine(options: EmbeddingEngineOptions): Promise<ServingEngine> {
  checkOptions("createEmbeddingEngine", options, embeddingKeys);
  checkBackend("createEmbeddingEngine", options.model.backend);
  return new EmbeddingEngine(options, await embeddingSettings(options));
}
