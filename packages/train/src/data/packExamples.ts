import { checkOptions } from "@lowrank/core";
import { bestFit } from "./bestFit.ts";
import { checkBlockSize } from "./blocks.ts";
import type { TokenizedExample } from "./tokenize.ts";

/** Options of `packExamples`. */
export interface PackOptions {
  /** Tokens that a block may hold. */
  blockSize: number;
}

/** Documents that stand in one row, and do not see each other. */
export interface PackedExample extends TokenizedExample {
  /** The number of tokens of each document, in their order. */
  seqLengths: number[];
}

/**
 * Puts examples together to blocks of up to `blockSize` tokens, which need little padding. Examples
 * stay whole: one that is longer has a block to itself. In a block, those of one adapter stand
 * together, the longest first. They are placed by best fit, as `packing` of TRL does it.
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

/** Returns examples of one adapter as one row. */
export function joined(examples: readonly TokenizedExample[]): PackedExample {
  const [{ adapterName }] = examples;
  return {
    inputIds: examples.flatMap(({ inputIds }) => inputIds),
    labels: examples.flatMap(({ labels }) => labels),
    seqLengths: examples.map(({ inputIds }) => inputIds.length),
    ...(adapterName !== undefined && { adapterName }),
  };
}
