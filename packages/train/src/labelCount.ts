import type { Batch } from "./collate.ts";
import { ignoreIndex } from "./ignoreIndex.ts";

/** How many labels a batch's loss is the mean of: those learned, save each row's first token, which nothing predicts. */
export function labelCount({ labels, batchSize, length }: Batch): number {
  let count = 0;
  for (let row = 0; row < batchSize; row++) {
    for (let t = 1; t < length; t++) if (labels[row * length + t] !== ignoreIndex) count++;
  }
  return count;
}
