import { ignoreIndex } from "../tokens/ignoreIndex.ts";
import type { Batch } from "./collate.ts";
import type { SequenceBatch } from "./collateSequences.ts";
import { baseOf, type TrainableModel } from "./modelBatch.ts";

/**
 * Returns the first position in a row whose label counts. It is 0 for token classifiers, which predict every token, and
 * for models with virtual tokens, which also predict the first token. It is 1 for other models, which predict only from
 * the second token on.
 */
export function firstPredicted(model: TrainableModel): 0 | 1 {
  const { classifiesTokens, virtualTokens } = baseOf(model);
  return classifiesTokens || virtualTokens?.kind === "embeddings" ? 0 : 1;
}

/**
 * Returns the number of labels over which a batch's loss is averaged: sequences, or tokens whose label is not -100. A
 * row's first token counts only if the model predicts it.
 */
export function labelCount(batch: Batch | SequenceBatch, model: TrainableModel): number {
  if ("labelShape" in batch) return batch.batchSize;
  const { labels, length } = batch;
  const first = firstPredicted(model);
  return labels.filter((label, i) => label !== ignoreIndex && i % length >= first).length;
}
