import { chunk, type Tensor } from "@lowrank/core";
import { type Batch, collate } from "../../data/collate.ts";
import type { CollateOptions } from "../../data/padRows.ts";
import type { TokenizedExample } from "../../data/tokenize.ts";

/** Two answers to one prompt: the chosen and the rejected one. Labels are -100 on the prompt. */
export interface PreferenceExample {
  chosen: TokenizedExample;
  rejected: TokenizedExample;
}

/** Pads the answers of pairs to one length: first the chosen rows, then the rejected rows. */
export function collatePairs(examples: readonly PreferenceExample[], options: CollateOptions): Batch {
  const rows = [...examples.map(({ chosen }) => chosen), ...examples.map(({ rejected }) => rejected)];
  return collate(rows, options);
}

/** Counts the tokens of texts. */
export function tokensOf(texts: readonly Pick<TokenizedExample, "inputIds">[]): number {
  return texts.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
}

/** Counts the tokens of pairs. */
export function tokensOfPairs(examples: readonly PreferenceExample[]): number {
  return tokensOf(examples.flatMap(({ chosen, rejected }) => [chosen, rejected]));
}

/** Splits values [2B, ...] of such rows into the chosen answers' and the rejected answers' values. */
export function pairsOf(values: Tensor): [chosen: Tensor, rejected: Tensor] {
  const [chosen, rejected] = chunk(values, 2, { dim: 0 });
  return [chosen, rejected];
}
