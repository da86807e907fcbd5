import { chunk, neg, softplus, type Tensor } from "@lowrank/core";
import { type Batch, collate } from "../../data/batches/collate.ts";
import type { CollateOptions } from "../../data/padRows.ts";
import type { TokenizedExample } from "../../data/tokens/tokenize.ts";

/** A prompt with a chosen and a rejected answer. In both, the prompt's labels are -100. */
export interface PreferenceExample {
  chosen: TokenizedExample;
  rejected: TokenizedExample;
}

/**
 * Pads the answers of all pairs to the same length. Rows of chosen answers come first, then rows of rejected answers.
 */
export function collatePairs(examples: readonly PreferenceExample[], options: CollateOptions): Batch {
  const rows = [...examples.map(({ chosen }) => chosen), ...examples.map(({ rejected }) => rejected)];
  return collate(rows, options);
}

/** Returns the total number of tokens in several texts. */
export function tokensOf(texts: readonly Pick<TokenizedExample, "inputIds">[]): number {
  return texts.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
}

/** Returns the total number of tokens in several pairs of answers. */
export function tokensOfPairs(examples: readonly PreferenceExample[]): number {
  return tokensOf(examples.flatMap(({ chosen, rejected }) => [chosen, rejected]));
}

/**
 * Splits a tensor [2B, ...] with one row for each row of `collatePairs` into the values of chosen and of rejected
 * answers.
 */
export function pairsOf(values: Tensor): [chosen: Tensor, rejected: Tensor] {
  const [chosen, rejected] = chunk(values, 2, { dim: 0 });
  return [chosen, rejected];
}

/** Returns log(1 / (1 + e^-x)) elementwise, without overflow. */
export function logSigmoid(x: Tensor): Tensor {
  return neg(softplus(neg(x)));
}
