import type { PackedExample } from "../packing/packExamples.ts";
import type { CollateOptions } from "../padRows.ts";
import { ignoreIndex } from "../tokens/ignoreIndex.ts";
import type { TokenizedExample } from "../tokens/tokenize.ts";
import { type Batch, collate } from "./collate.ts";
import type { LabelledSequence, SequenceBatch } from "./collateSequences.ts";

/** A training example: with a label for each token, or with one label for the whole sequence. */
export type AnyExample = TokenizedExample | PackedExample | LabelledSequence;

/**
 * Pads examples on the right to the length of the longest one. Throws if some have labels for tokens and others for
 * sequences.
 */
export async function collateAny(
  examples: readonly AnyExample[],
  options: CollateOptions,
): Promise<Batch | SequenceBatch> {
  const kinds = new Set(examples.map((e) => ("label" in e ? 1 : "seqLengths" in e ? 2 : 0)));
  if (kinds.size > 1) {
    throw new Error("collate: examples have labels for tokens, for sequences or for packed tokens; give one kind");
  }
  if (kinds.has(1)) {
    const { collateSequences } = await import("./collateSequences.ts");
    return collateSequences(examples as readonly LabelledSequence[], options);
  }
  const batch = collate(examples as readonly TokenizedExample[], options);
  if (!kinds.has(2)) return batch;
  return (await import("./isolatePackedDocuments.ts")).isolatePackedDocuments(
    batch,
    examples as readonly PackedExample[],
    ignoreIndex,
  );
}
