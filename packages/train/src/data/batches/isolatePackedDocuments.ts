import { tensor } from "@lowrank/core";
import { PackedDocuments } from "@lowrank/nn/internal";
import type { PackedExample } from "../packing/packExamples.ts";
import type { Batch } from "./collate.ts";

/**
 * Prevents attention between the documents in a row, and restarts the positions in each document. The first token of a
 * document gets the label `ignored`, since no token of the same document predicts it. Padding counts as another
 * document, so no attention mask is needed.
 */
export function isolatePackedDocuments(batch: Batch, examples: readonly PackedExample[], ignored: number): Batch {
  const { batchSize, length, labels } = batch;
  const starts = new Int32Array(batchSize * length);
  for (const [row, { inputIds, seqLengths }] of examples.entries()) {
    const total = seqLengths.reduce((sum, n) => sum + n, 0);
    if (total !== inputIds.length || seqLengths.some((n) => n < 1)) {
      throw new Error(
        `collate: example ${row} has ${inputIds.length} tokens and seqLengths ${seqLengths.join(", ")}; expected lengths of at least 1 that add up to the number of tokens`,
      );
    }
    let start = 0;
    for (const n of [...seqLengths, length]) {
      if (start === length) break;
      const end = Math.min(length, start + n);
      starts.fill(start, row * length + start, row * length + end);
      labels[row * length + start] = ignored;
      start = end;
    }
  }
  const positions = starts.map((start, i) => (i % length) - start);
  const shape = [batchSize, length];
  return {
    ...batch,
    attentionMask: batch.attentionMask.fill(1),
    furtherInputs: () => ({
      positionIds: tensor(positions, { shape }),
      maxPosition: positions.reduce((most, position) => Math.max(most, position), 0),
      cache: new PackedDocuments(tensor(starts, { shape })),
    }),
  };
}
