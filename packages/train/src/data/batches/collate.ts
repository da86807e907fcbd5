import { checkOptions } from "@lowrank/core/internal";
import { type CollateOptions, collateKeys, padRows, type Rows } from "../padRows.ts";
import { ignoreIndex } from "../tokens/ignoreIndex.ts";
import type { TokenizedExample } from "../tokens/tokenize.ts";

/** Tokenized examples padded to the same length. Arrays are row-major [batchSize, length]. */
export interface Batch extends Rows {
  /** The labels; -100 at padding and at tokens that do not count in the loss. */
  labels: Int32Array;
}

/** Pads examples on the right to the length of the longest one. */
export function collate(examples: readonly TokenizedExample[], options: CollateOptions): Batch {
  checkOptions("collate", options, collateKeys);
  const rows = padRows(examples, options);
  const { batchSize, length } = rows;
  const labels = new Int32Array(batchSize * length).fill(ignoreIndex);
  for (const [row, example] of examples.entries()) {
    if (example.labels.length !== example.inputIds.length) {
      const found = `${example.inputIds.length} tokens and ${example.labels.length} labels`;
      throw new Error(`collate: example ${row} has ${found}; expected as many labels as tokens`);
    }
    labels.set(example.labels.slice(0, options.maxLength), row * length);
  }
  return { ...rows, labels };
}
