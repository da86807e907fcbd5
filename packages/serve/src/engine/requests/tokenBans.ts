import type { Tokenizer } from "@lowrank/models";
import { ServingError } from "../../api/api.ts";

/** Settings that forbid some tokens, depending on the tokens generated before. */
export interface BanSettings {
  /** Token ids of words that must not occur in the new text. */
  readonly badWords: readonly (readonly number[])[];
  /** Stop tokens, which are forbidden until the sequence has `minTokens` new tokens. */
  readonly stopTokenIds: readonly number[];
  readonly minTokens: number;
}

/** Returns true if the settings forbid any token. */
export function anyBans({ badWords, stopTokenIds, minTokens }: BanSettings): boolean {
  return badWords.length > 0 || (minTokens > 0 && stopTokenIds.length > 0);
}

/** Returns the tokens that must not follow the new tokens so far. The prompt does not count. */
export function bannedAfter(
  newTokens: readonly number[],
  { badWords, stopTokenIds, minTokens }: BanSettings,
): ReadonlySet<number> {
  const banned = new Set<number>(newTokens.length < minTokens ? stopTokenIds : []);
  for (const word of badWords) {
    const from = newTokens.length - word.length + 1;
    const last = word.length - 1;
    if (from >= 0 && word.every((id, i) => i === last || newTokens[from + i] === id)) banned.add(word[last]);
  }
  return banned;
}

/**
 * Returns the token ids of forbidden words. A word is forbidden in its form at the beginning of a text. Its form after
 * a space is also forbidden, if it has another first token and the same number of tokens. This is vLLM's definition.
 * Throws ServingError for a word without tokens.
 */
export function badWordIds(words: readonly string[], tokenizer: Tokenizer): number[][] {
  const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  return [...new Set(words)].flatMap((word) => {
    const bare = word.trimStart();
    const plain = encode(bare);
    if (plain.length === 0) {
      const message = `bad_words holds ${JSON.stringify(word)}, which has no tokens; give words of at least one`;
      throw new ServingError("invalid_request", message, "bad_words");
    }
    const spaced = encode(` ${bare}`);
    return spaced[0] !== plain[0] && spaced.length === plain.length ? [plain, spaced] : [plain];
  });
}
