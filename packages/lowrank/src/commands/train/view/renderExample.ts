import type { Tokenizer } from "@lowrank/models";
import { ignoreIndex, type TokenizedExample } from "@lowrank/train";

/** A run of tokens that are learned, or that are not. */
export interface MaskedText {
  readonly text: string;
  readonly learned: boolean;
  /** The label that is learned for it; left out where the text itself is. */
  readonly label?: string;
}

/** One of an example's texts, and its name among several. */
export interface ShownText {
  readonly name: string | null;
  readonly tokens: number;
  readonly learned: number;
  readonly parts: readonly MaskedText[];
}

/** Shows the first `maxLength` tokens of a text, which are learned, or are not. */
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
 * Cuts an example's text where learned tokens begin and end. A character whose bytes lie in tokens
 * of both kinds goes to the later one.
 */
export function maskedText(tokenizer: Tokenizer, { inputIds, labels }: TokenizedExample): MaskedText[] {
  const parts: MaskedText[] = [];
  let before = "";
  for (let start = 0; start < inputIds.length; ) {
    const learned = labels[start] !== ignoreIndex;
    let end = start + 1;
    while (end < inputIds.length && (labels[end] !== ignoreIndex) === learned) end++;
    // Of the whole beginning: a tokenizer may write a token otherwise where it stands first.
    const text = tokenizer.decode(inputIds.slice(0, end)).replace(/\uFFFD+$/, end < inputIds.length ? "" : "$&");
    parts.push({ text: text.slice(before.length), learned });
    [before, start] = [text, end];
  }
  return parts;
}

/** Shows learned text by `paint`, else between double brackets. Control characters are shown. */
export function renderMasked(parts: readonly MaskedText[], paint?: (text: string) => string): string {
  const plain = (text: string) => text.replace(/[^\P{Cc}\n\t]/gu, "\uFFFD");
  const show = paint ?? ((text: string) => `[[${text}]]`);
  const labelled = ({ text, label }: MaskedText) => plain(label === undefined ? text : `${text}/${label}`);
  return parts.map((part) => (part.learned ? show(labelled(part)) : plain(part.text))).join("");
}
