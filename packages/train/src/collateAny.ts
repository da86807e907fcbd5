import { type Batch, collate } from "./collate.ts";
import type { LabelledSequence, SequenceBatch } from "./collateSequences.ts";
import type { CollateOptions } from "./padRows.ts";
import type { TokenizedExample } from "./tokenize.ts";

/** An example for a `Trainer`: labels for tokens, or one for the whole sequence. */
export type AnyExample = TokenizedExample | LabelledSequence;

/** Pads examples on the right to the longest one. Throws where both kinds are among them. */
export type Collator = (examples: readonly AnyExample[], options: CollateOptions) => Batch | SequenceBatch;

const isSequence = (example: AnyExample) => "label" in example;

/** Loads what makes batches of examples of the kind of the first one. */
export async function collatorOf([first]: readonly AnyExample[]): Promise<Collator> {
  const sequences = isSequence(first);
  const pad = sequences ? (await import("./collateSequences.ts")).collateSequences : collate;
  return (examples, options) => {
    if (examples.every((example) => isSequence(example) === sequences)) return pad(examples as never[], options);
    throw new Error("collate: some examples have labels for tokens, others for sequences; give examples of one kind");
  };
}
