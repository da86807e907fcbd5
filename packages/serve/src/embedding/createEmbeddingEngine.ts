import { checkOptions } from "@lowrank/core/internal";
import type { ServingEngine } from "../api/api.ts";
import { checkBackend } from "../engine/checkBackend.ts";
import { EmbeddingEngine } from "./embeddingEngine.ts";
import { type EmbeddingEngineOptions, embeddingKeys, embeddingSettings } from "./embeddingOptions.ts";

/**
 * Creates an engine that computes embeddings with an encoder. Texts of all requests share passes. Throws for a backend
 * that is not batch-invariant, and for a folder with another pooling than the mean.
 */
export async function createEmbeddingEngine(options: EmbeddingEngineOptions): Promise<ServingEngine> {
  checkOptions("createEmbeddingEngine", options, embeddingKeys);
  checkBackend("createEmbeddingEngine", options.model.backend);
  return new EmbeddingEngine(options, await embeddingSettings(options));
}
