import type { Tokenizer } from "@lowrank/models";
import { ignoreIndex, type TokenizedExample } from "@lowrank/train";
import { type MaskedText, maskedText } from "@lowrank/train/internal";

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
 * Formats parts as one text. Parts that count in the loss are passed to `paint` or, without `paint`, put in double
 * brackets. Control characters other than line feeds and tabs are replaced by U+FFFD.
 */
export function renderMasked(parts: readonly MaskedText[], paint?: (text: string) => string): string {
  const plain = (text: string) => text.replace(/[^\P{Cc}\n\t]/gu, "\uFFFD");
  const show = paint ?? ((text: string) => `[[${text}]]`);
  const labelled = ({ text, label }: MaskedText) => plain(label === undefined ? text : `${text}/${label}`);
  return parts.map((part) => (part.learned ? show(labelled(part)) : plain(part.text))).join("");
}
