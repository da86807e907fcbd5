import type { Tokenizer } from "@lowrank/models";
import { ignoreIndex, type TokenizedExample } from "@lowrank/train";

/** Part of a text. Either all tokens of the part count in the loss (`learned` is true), or none. */
export interface MaskedText {
  readonly text: string;
  readonly learned: boolean;
  /** Label of this part, for a task that trains on labels instead of tokens. */
  readonly label?: string;
}

/** Text of an example, with its name if the example has several. */
export interface ShownText {
  readonly name: string | null;
  readonly tokens: number;
  readonly learned: number;
  readonly parts: readonly MaskedText[];
}

/** Splits the first `maxLength` tokens of a text into parts that count in the loss, and parts that do not. */
export function shownText(
  tokenizer: Tokenizer,
  text: TokenizedExample,
  maxLength: number,
  name: string | null = null,
): ShownText {
  const inputIds = text.inputIds.slice(0, maxLength);
  const labels = text.labels.slice(0, maxLength);
  const learned = labels.filter((label) => label !== ignoreIndex).length;
  return { name, tokens: inputIds.length, learned, parts: maskedText(tokenizer, { inputIds, labels }) };
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

/**
 * Formats parts as one text. Parts that count in the loss are passed to `paint` or, without `paint`, put in double
 * brackets. Control characters other than line feeds and tabs are replaced by U+FFFD.
 */
export function renderMasked(parts: readonly MaskedText[], paint?: (text: string) => string): string {
  const plain = (text: string) => text.replace(/[^\P{Cc}\n\t]/gu, "\uFFFD");
  const show = paint ?? ((text: string) => `[[${text}]]`);
  const labelled = ({ text, label }: MaskedText) => plain(label === undefined ? text : `${text}/${label}`);
  return parts.map((part) => (part.learned ? show(labelled(part)) : plain(part.text))).join("");
}
