import { checkOptions } from "@lowrank/core";
import { labelSequences } from "./labelSequences.ts";
import { type CollateOptions, collateKeys, padRows, type Row, type Rows } from "./padRows.ts";

/** A sequence to classify. */
export interface LabelledSequence extends Row {
  /**
   * The number of its class; for regression a number; for several labels at once, 1 or 0 for each.
   */
  label: number | readonly number[];
  /** The text, 0 or 1, that each token belongs to. Default: 0. */
  tokenTypeIds?: number[];
}

/** Labelled sequences as rows of one length. */
export interface SequenceBatch extends Rows {
  /** One number for each sequence, or one for each label, row-major. */
  labels: Float32Array;
  labelShape: readonly number[];
  /** Row-major [batchSize, length], where examples have them. */
  tokenTypeIds?: Int32Array;
}

/** Pads sequences on the right to the longest one. */
export function collateSequences(examples: readonly LabelledSequence[], options: CollateOptions): SequenceBatch {
  checkOptions("collateSequences", options, collateKeys);
  return labelSequences(padRows(examples, options), examples, options);
}
