import { checkOptions } from "@lowrank/core";
import { SequenceClassifier } from "@lowrank/models";
import type { ServingEngine } from "../api.ts";
import { EmbeddingEngine } from "./embeddingEngine.ts";
import { Engine } from "./engine.ts";
import { type EngineOptions, engineKeys } from "./engineOptions.ts";

/**
 * Makes an engine that serves requests over a model, many in one pass, each under its own adapter;
 * or over an encoder, whose answers are embeddings.
 * Throws for a backend that is not batch-invariant, and for sizes that do not go together.
 */
export async function createEngine(options: EngineOptions): Promise<ServingEngine> {
  checkOptions("createEngine", options, engineKeys);
  const { model } = options;
  if (model instanceof SequenceClassifier) return new EmbeddingEngine(model, options);
  return new Engine({ ...options, model });
}
