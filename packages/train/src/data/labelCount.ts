import type { Batch } from "./collate.ts";
import type { SequenceBatch } from "./collateSequences.ts";
import { ignoreIndex } from "./ignoreIndex.ts";
import { baseOf, type TrainableModel } from "./modelBatch.ts";

/**
 * Returns the position of the first token in a row whose label counts. Token classifiers have a prediction for every
 * token. Other models predict from the second token on, or from the first after virtual tokens.
 */
export function firstPredicted(model: TrainableModel): 0 | 1 {
  const { classifiesTokens, virtualTokens } = baseOf(model);
  return classifiesTokens || virtualTokens?.kind === "embeddings" ? 0 : 1;
}

/**
 * Returns the number of labels over which a batch's loss is averaged: sequences, or tokens with a label. A row's first
 * token counts only if the model predicts it.
 */
export function labelCount(batch: Batch | SequenceBatch, model: TrainableModel): number {
  if ("labelShape" in batch) return batch.batchSize;
  const { labels, length } = batch;
  const first = firstPredicted(model);
  return labels.filter((label, i) => label !== ignoreIndex && i % length >= first).length;
}
