import { ignoreIndex } from "./ignoreIndex.ts";
import type { TokenizedExample } from "./tokenize.ts";

/** The words of a text and the label index of each word, for token classification. */
export interface TaggedWords {
  words: readonly string[];
  tags: readonly number[];
}

/** The method of a tokenizer that `tokenizeTags` uses. */
export interface TagTokenizer {
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
}

/**
 * Tokenizes words that have labels. A word's first token gets the word's label; its other tokens and special tokens get
 * -100. Words are tokenized with a space in front.
 */
export function tokenizeTags(tokenizer: TagTokenizer, { words, tags }: TaggedWords): TokenizedExample {
  if (words.length !== tags.length) {
    throw new Error(`tokenizeTags: ${words.length} words but ${tags.length} tags; give one tag for each word`);
  }
  const inputIds: number[] = [];
  const labels: number[] = [];
  for (const [i, word] of words.entries()) {
    for (const [t, id] of tokenizer.encode(` ${word}`, { addSpecialTokens: false }).entries()) {
      inputIds.push(id);
      labels.push(t === 0 ? tags[i] : ignoreIndex);
    }
  }
  const [before, after] = specialTokens(tokenizer);
  const ignored = (ids: readonly number[]) => ids.map(() => ignoreIndex);
  return {
    inputIds: [...before, ...inputIds, ...after],
    labels: [...ignored(before), ...labels, ...ignored(after)],
  };
}

/** Returns the special tokens that a tokenizer adds before and after a text. */
function specialTokens(tokenizer: TagTokenizer): [before: number[], after: number[]] {
  const [whole, bare] = [tokenizer.encode("a"), tokenizer.encode("a", { addSpecialTokens: false })];
  const at = whole.findIndex((_, i) => bare.every((id, t) => whole[i + t] === id));
  return [whole.slice(0, at), whole.slice(at + bare.length)];
}
