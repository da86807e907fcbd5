import type { Batch } from "./collate.ts";
import type { SequenceBatch } from "./collateSequences.ts";
import { ignoreIndex } from "./ignoreIndex.ts";
import { baseOf, type TrainableModel } from "./modelBatch.ts";

/**
 * Returns the position of the first token of a row whose label counts. A classifier of tokens has
 * answers for all; otherwise it is the first that a token before it can predict, and virtual tokens
 * may stand before it.
 */
export function firstPredicted(model: TrainableModel): 0 | 1 {
  const { classifiesTokens, virtualTokens } = baseOf(model);
  return classifiesTokens || virtualTokens?.kind === "embeddings" ? 0 : 1;
}

/**
 * Returns the number of labels that a batch's loss averages over. These are sequences, or learned
 * tokens. A row's first token counts only if virtual tokens before it can predict it.
 */
export function labelCount(batch: Batch | SequenceBatch, model: TrainableModel): number {
  if ("labelShape" in batch) return batch.batchSize;
  const { labels, length } = batch;
  const first = firstPredicted(model);
  return labels.filter((label, i) => label !== ignoreIndex && i % length >= first).length;
}
