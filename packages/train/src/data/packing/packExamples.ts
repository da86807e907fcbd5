import { checkOptions } from "@lowrank/core/internal";
import type { TokenizedExample } from "../tokens/tokenize.ts";
import { bestFit } from "./bestFit.ts";
import { checkBlockSize } from "./blocks.ts";

/** Options of `packExamples`. */
export interface PackOptions {
  /** Maximum number of tokens in a block. */
  blockSize: number;
}

/** Several documents in one row. They do not attend to each other. */
export interface PackedExample extends TokenizedExample {
  /** The number of tokens of each document, in order. */
  seqLengths: number[];
}

/**
 * Packs several examples into each row of up to `blockSize` tokens, which reduces padding. Examples are not split; one
 * that is longer gets its own row. A row contains examples of one adapter, longest first. Uses best-fit decreasing,
 * like TRL's `packing`.
 */
export function packExamples(examples: readonly TokenizedExample[], options: PackOptions): PackedExample[] {
  checkOptions("packExamples", options, { blockSize: true });
  const { blockSize } = options;
  checkBlockSize(blockSize, 1);
  return [...Map.groupBy(examples, ({ adapterName }) => adapterName).values()].flatMap((ofAdapter) => {
    const lengths = ofAdapter.map(({ inputIds }) => inputIds.length);
    return bestFit(lengths, blockSize).map((members) => joined(Array.from(members, (i) => ofAdapter[i])));
  });
}

/** Joins examples for the same adapter to one row. */
export function joined(examples: readonly TokenizedExample[]): PackedExample {
  const [{ adapterName }] = examples;
  return {
    inputIds: examples.flatMap(({ inputIds }) => inputIds),
    labels: examples.flatMap(({ labels }) => labels),
    seqLengths: examples.map(({ inputIds }) => inputIds.length),
    ...(adapterName !== undefined && { adapterName }),
  };
}
