/** How rows are padded. */
export interface CollateOptions {
  /** Fills rows on the right; it is never a label, even where it equals EOS. */
  padTokenId: number;
  /** Rounds the length up. Default 1. */
  padToMultipleOf?: number;
  /** Longer examples lose their end, which the batch reports. Default: no limit. */
  maxLength?: number;
}

/** Token ids as rows of one length; arrays are row-major [batchSize, length]. */
export interface Rows {
  inputIds: Int32Array;
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
export function padRows(examples: readonly { inputIds: readonly number[] }[], options: CollateOptions): Rows {
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
  const attentionMask = new Uint8Array(batchSize * length);
  let truncatedExamples = 0;
  let truncatedTokens = 0;
  for (const [row, example] of examples.entries()) {
    const size = sizes[row];
    inputIds.set(example.inputIds.slice(0, size), row * length);
    attentionMask.fill(1, row * length, row * length + size);
    truncatedTokens += example.inputIds.length - size;
    if (example.inputIds.length > size) truncatedExamples++;
  }
  return { inputIds, attentionMask, batchSize, length, truncatedExamples, truncatedTokens };
}
