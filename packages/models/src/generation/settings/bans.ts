/** Settings that forbid tokens, as in transformers. */
export interface BanOptions {
  /** Size n of token n-grams that may occur only once in the prompt and the new text. Default 0: no limit. */
  noRepeatNgramSize?: number;
  /** Sequences of token ids that must not occur in the new text. Default: none. */
  badWordsIds?: readonly (readonly number[])[];
  /** Token ids that must not occur in the new text. Default: none. */
  suppressTokens?: readonly number[];
  /** Minimum number of new tokens before EOS is allowed. Default 0. */
  minNewTokens?: number;
}

/** Finds the tokens that must not come next in a sequence. */
export class Bans {
  readonly #ngram: number;
  readonly #always: readonly number[];
  /** The forbidden sequences of several tokens, each split into its last token and the tokens before it. */
  readonly #words: readonly (readonly [before: readonly number[], last: number])[];
  readonly #minNewTokens: number;
  readonly #eosTokenIds: readonly number[];

  /** Throws if a setting is invalid, such as a token id outside the vocabulary. */
  constructor(options: BanOptions & { eosTokenIds?: readonly number[] }, vocabSize: number) {
    const {
      noRepeatNgramSize = 0,
      badWordsIds = [],
      suppressTokens = [],
      minNewTokens = 0,
      eosTokenIds = [],
    } = options;
    for (const [name, value] of Object.entries({ noRepeatNgramSize, minNewTokens })) {
      if (Number.isSafeInteger(value) && value >= 0) continue;
      throw new Error(`${name} is ${value}; expected a whole number, 0 for none`);
    }
    for (const [name, ids] of [
      ["suppressTokens", suppressTokens] as const,
      ...badWordsIds.map((w) => ["badWordsIds", w] as const),
    ]) {
      const bad = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize));
      if (bad !== undefined) throw new Error(`${name} holds ${bad}; the model's token ids are 0 to ${vocabSize - 1}`);
    }
    if (badWordsIds.some((ids) => ids.length === 0)) throw new Error("badWordsIds holds an empty list; remove it");
    // As in transformers, an EOS token on its own is never forbidden by `badWordsIds`.
    const words = badWordsIds.filter(([first, ...rest]) => rest.length > 0 || !eosTokenIds.includes(first));
    this.#ngram = noRepeatNgramSize;
    this.#always = [...suppressTokens, ...words.filter(({ length }) => length === 1).flat()];
    this.#words = words.filter(({ length }) => length > 1).map((ids) => [ids.slice(0, -1), ids.at(-1)!]);
    this.#minNewTokens = minNewTokens;
    this.#eosTokenIds = eosTokenIds;
  }

  /** True if any setting may forbid a token. */
  get any(): boolean {
    const early = this.#minNewTokens > 0 && this.#eosTokenIds.length > 0;
    return this.#ngram > 0 || this.#always.length > 0 || this.#words.length > 0 || early;
  }

  /** Returns the tokens that must not come after the prompt and the new `tokens`. The list may have duplicates. */
  after(prompt: readonly number[], tokens: readonly number[]): number[] {
    const all = [...prompt, ...tokens];
    const banned = [...this.#always];
    if (this.#ngram > 0) banned.push(...repeating(all, this.#ngram));
    for (const [before, last] of this.#words) if (endsBefore(all, before, all.length)) banned.push(last);
    if (tokens.length < this.#minNewTokens) banned.push(...this.#eosTokenIds);
    return banned;
  }
}

/** Returns true if the tokens directly before index `at` are `ids`. */
function endsBefore(tokens: readonly number[], ids: readonly number[], at: number): boolean {
  return ids.every((id, i) => tokens[at - ids.length + i] === id);
}

/** Returns the tokens that would complete an n-gram of `size` tokens that occurred before. */
function repeating(tokens: readonly number[], size: number): number[] {
  if (tokens.length < size) return [];
  const start = tokens.slice(tokens.length + 1 - size);
  const found: number[] = [];
  for (let at = start.length; at < tokens.length; at++) if (endsBefore(tokens, start, at)) found.push(tokens[at]);
  return found;
}
