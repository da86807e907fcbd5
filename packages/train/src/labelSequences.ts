import type { LabelledSequence, SequenceBatch } from "./collateSequences.ts";
import type { CollateOptions, Rows } from "./padRows.ts";

/** Gives padded rows the labels and the token types of their sequences. */
export function labelSequences(
  rows: Rows,
  examples: readonly LabelledSequence[],
  { maxLength }: CollateOptions,
): SequenceBatch {
  const each = examples.map(({ label }) => (typeof label === "number" ? [label] : label));
  const width = each[0].length;
  const other = each.findIndex((labels) => labels.length !== width);
  if (other >= 0) {
    throw new Error(
      `collate: example ${other} has ${each[other].length} labels and the first ${width}; give each as many`,
    );
  }
  const labelShape = typeof examples[0].label === "number" ? [rows.batchSize] : [rows.batchSize, width];
  const batch = { ...rows, labels: Float32Array.from(each.flat()), labelShape };
  if (!examples.some(({ tokenTypeIds }) => tokenTypeIds)) return batch;
  return { ...batch, tokenTypeIds: padTypes(examples, rows, maxLength) };
}

function padTypes(
  examples: readonly LabelledSequence[],
  { batchSize, length }: Rows,
  maxLength: number | undefined,
): Int32Array {
  const padded = new Int32Array(batchSize * length);
  for (const [row, { inputIds, tokenTypeIds = [] }] of examples.entries()) {
    if (tokenTypeIds.length > 0 && tokenTypeIds.length !== inputIds.length) {
      const found = `${inputIds.length} tokens and ${tokenTypeIds.length} tokenTypeIds`;
      throw new Error(`collate: example ${row} has ${found}; expected as many`);
    }
    padded.set(tokenTypeIds.slice(0, maxLength), row * length);
  }
  return padded;
}
