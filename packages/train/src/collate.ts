import { ignoreIndex } from "./ignoreIndex.ts";
import type { TokenizedExample } from "./tokenize.ts";

/** Options of `collate`. */
export interface CollateOptions {
  /** Fills rows on the right; it is never a label, even where it equals EOS. */
  padTokenId: number;
  /** Rounds the length up. Default 1. */
  padToMultipleOf?: number;
  /** Longer examples lose their end, which the batch reports. Default: no limit. */
  maxLength?: number;
}

/** Examples as rows of one length; arrays are row-major [batchSize, length]. */
export interface Batch {
  inputIds: Int32Array;
  /** -100 on padding and on tokens that are not learned. */
  labels: Int32Array;
  /** 1 on tokens, 0 on padding. */
  attentionMask: Uint8Array;
  batchSize: number;
  length: number;
  /** How many examples were longer than `maxLength`. */
  truncatedExamples: number;
  /** How many tokens they lost. */
  truncatedTokens: number;
}

/** Pads examples on the right to the longest one. */
export function collate(examples: readonly TokenizedExample[], options: CollateOptions): Batch {
  const { padTokenId, padToMultipleOf = 1, maxLength = Number.MAX_SAFE_INTEGER } = options;
  if (examples.length === 0) throw new Error("collate: there are no examples");
  for (const [name, value] of Object.entries({ padToMultipleOf, maxLength })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new Error(`collate: ${name} is ${value}; expected a whole number of at least 1`);
    }
  }
  const sizes = examples.map(({ inputIds }) => Math.min(inputIds.length, maxLength));
  const length = Math.ceil(Math.max(...sizes) / padToMultipleOf) * padToMultipleOf;
  const batchSize = examples.length;
  const inputIds = new Int32Array(batchSize * length).fill(padTokenId);
  const labels = new Int32Array(batchSize * length).fill(ignoreIndex);
  const attentionMask = new Uint8Array(batchSize * length);
  let truncatedExamples = 0;
  let truncatedTokens = 0;
  for (const [row, example] of examples.entries()) {
    const size = sizes[row];
    if (example.labels.length !== example.inputIds.length) {
      const found = `${example.inputIds.length} tokens and ${example.labels.length} labels`;
      throw new Error(`collate: example ${row} has ${found}; expected as many labels as tokens`);
    }
    inputIds.set(example.inputIds.slice(0, size), row * length);
    labels.set(example.labels.slice(0, size), row * length);
    attentionMask.fill(1, row * length, row * length + size);
    truncatedTokens += example.inputIds.length - size;
    if (example.inputIds.length > size) truncatedExamples++;
  }
  return { inputIds, labels, attentionMask, batchSize, length, truncatedExamples, truncatedTokens };
}
