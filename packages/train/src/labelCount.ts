import type { Batch } from "./collate.ts";
import type { SequenceBatch } from "./collateSequences.ts";
import { ignoreIndex } from "./ignoreIndex.ts";
import { baseOf, type TrainableModel } from "./modelBatch.ts";

/**
 * How many labels a batch's loss is the mean of: sequences, or tokens that are learned, save each row's first, which only
 * virtual tokens before it can predict.
 */
export function labelCount(batch: Batch | SequenceBatch, model: TrainableModel): number {
  if ("labelShape" in batch) return batch.batchSize;
  const { labels, batchSize, length } = batch;
  const first = baseOf(model).virtualTokens?.kind === "embeddings" ? 0 : 1;
  let count = 0;
  for (let row = 0; row < batchSize; row++) {
    for (let t = first; t < length; t++) if (labels[row * length + t] !== ignoreIndex) count++;
  }
  return count;
}
