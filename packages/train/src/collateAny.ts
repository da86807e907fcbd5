import { type Batch, collate } from "./collate.ts";
import { collateSequences, type LabelledSequence, type SequenceBatch } from "./collateSequences.ts";
import type { CollateOptions } from "./padRows.ts";
import type { TokenizedExample } from "./tokenize.ts";

/** An example for a `Trainer`: labels for tokens, or one for the whole sequence. */
export type AnyExample = TokenizedExample | LabelledSequence;

/** Pads examples on the right to the longest one. Throws where both kinds are among them. */
export function collateAny(examples: readonly AnyExample[], options: CollateOptions): Batch | SequenceBatch {
  const sequences = examples.filter((example) => "label" in example);
  if (sequences.length === 0) return collate(examples as readonly TokenizedExample[], options);
  if (sequences.length === examples.length) return collateSequences(sequences, options);
  throw new Error("collate: some examples have labels for tokens, others for sequences; give examples of one kind");
}
