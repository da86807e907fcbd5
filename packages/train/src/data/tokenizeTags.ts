import { ignoreIndex } from "./ignoreIndex.ts";
import type { TokenizedExample } from "./tokenize.ts";

/** Words with the number of the label of each. */
export interface TaggedWords {
  words: readonly string[];
  tags: readonly number[];
}

/** The method of a tokenizer that `tokenizeTags` needs. */
export interface TagTokenizer {
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
}

/**
 * Tokenizes words that have labels. The first token of each word has its label; its others, and
 * special tokens, have -100 and are not learned. Words are read as with a space before them.
 */
export function tokenizeTags(tokenizer: TagTokenizer, { words, tags }: TaggedWords): TokenizedExample {
  if (words.length !== tags.length) {
    throw new Error(`tokenizeTags: ${words.length} words and ${tags.length} tags; give each word one`);
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

/** The special tokens that a tokenizer puts before a text and behind it. */
function specialTokens(tokenizer: TagTokenizer): [before: number[], after: number[]] {
  const [whole, bare] = [tokenizer.encode("a"), tokenizer.encode("a", { addSpecialTokens: false })];
  const at = whole.findIndex((_, i) => bare.every((id, t) => whole[i + t] === id));
  return [whole.slice(0, at), whole.slice(at + bare.length)];
}
