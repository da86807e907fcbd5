import { checkOptions } from "@lowrank/core/internal";
import { type CollateOptions, collateKeys, padRows, type Row, type Rows } from "../padRows.ts";

/** A sequence to classify. */
export interface LabelledSequence extends Row {
  /**
   * For classification the class index; for regression a value; for multi-label classification a 1 or 0 for each label.
   */
  label: number | readonly number[];
  /** The segment of each token, 0 or 1, as for BERT's sentence pairs. Default: 0. */
  tokenTypeIds?: number[];
}

/** Labelled sequences padded to the same length. */
export interface SequenceBatch extends Rows {
  /** The labels: one value for each sequence, or, row-major, one value for each sequence and label. */
  labels: Float32Array;
  /** The shape of `labels`: [batchSize], or [batchSize, number of labels]. */
  labelShape: readonly number[];
  /** The segment of each token, row-major [batchSize, length]. Absent if no example has segments. */
  tokenTypeIds?: Int32Array;
}

/** Pads sequences on the right to the length of the longest one. */
export function collateSequences(examples: readonly LabelledSequence[], options: CollateOptions): SequenceBatch {
  checkOptions("collateSequences", options, collateKeys);
  const rows = padRows(examples, options);
  const each = examples.map(({ label }) => (typeof label === "number" ? [label] : label));
  const width = each[0].length;
  const other = each.findIndex((labels) => labels.length !== width);
  if (other !== -1) {
    throw new Error(
      `collate: example ${other} has ${each[other].length} labels and example 0 has ${width}; give all examples the same number`,
    );
  }
  const labelShape = typeof examples[0].label === "number" ? [rows.batchSize] : [rows.batchSize, width];
  const batch = { ...rows, labels: Float32Array.from(each.flat()), labelShape };
  if (!examples.some(({ tokenTypeIds }) => tokenTypeIds)) return batch;
  return { ...batch, tokenTypeIds: padTypes(examples, rows, options) };
}

function padTypes(
  examples: readonly LabelledSequence[],
  { batchSize, length }: Rows,
  { maxLength }: CollateOptions,
): Int32Array {
  const padded = new Int32Array(batchSize * length);
  for (const [row, { inputIds, tokenTypeIds = [] }] of examples.entries()) {
    if (tokenTypeIds.length > 0 && tokenTypeIds.length !== inputIds.length) {
      const found = `${inputIds.length} tokens and ${tokenTypeIds.length} tokenTypeIds`;
      throw new Error(`collate: example ${row} has ${found}; expected equal numbers`);
    }
    padded.set(tokenTypeIds.slice(0, maxLength), row * length);
  }
  return padded;
}
