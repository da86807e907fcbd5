import type { Tokenizer } from "@lowrank/models";
import { ignoreIndex } from "./ignoreIndex.ts";
import type { TokenizedExample } from "./tokenize.ts";

/** Part of a text. Either all tokens of the part count in the loss (`learned` is true), or none. */
export interface MaskedText {
  readonly text: string;
  readonly learned: boolean;
  /** Label of this part, for a task that trains on labels instead of tokens. */
  readonly label?: string;
}

/**
 * Splits an example's text into parts that count in the loss, and parts that do not. A character whose bytes are in two
 * parts belongs to the later part.
 */
export function maskedText(tokenizer: Tokenizer, { inputIds, labels }: TokenizedExample): MaskedText[] {
  const parts: MaskedText[] = [];
  let before = "";
  for (let start = 0; start < inputIds.length; ) {
    const learned = labels[start] !== ignoreIndex;
    let end = start + 1;
    while (end < inputIds.length && (labels[end] !== ignoreIndex) === learned) end++;
    // Decodes from the start: a tokenizer may decode a token differently at the beginning of a text.
    const text = tokenizer.decode(inputIds.slice(0, end)).replace(/\uFFFD+$/, end < inputIds.length ? "" : "$&");
    parts.push({ text: text.slice(before.length), learned });
    [before, start] = [text, end];
  }
  return parts;
}
