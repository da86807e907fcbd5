/** Settings that end a sequence before its EOS. Only new text is searched, not the prompt. */
export interface StopOptions {
  /**
   * Texts, or lists of token ids, at which a sequence ends. The text that is returned or streamed
   * ends before them, as with OpenAI-style servers; the tokens of `generate` include them.
   */
  stop?: string | readonly (string | readonly number[])[];
  /**
   * Texts at which a sequence ends, as in transformers: the text includes them, with the rest of
   * the token that completes them.
   */
  stopStrings?: string | readonly string[];
}

/** Stops by what is searched for them. */
export interface Stops {
  /** Texts that are cut off. */
  readonly texts: readonly string[];
  /** Lists of token ids that are cut off. */
  readonly sequences: readonly (readonly number[])[];
  /** Texts that stay. */
  readonly kept: readonly string[];
}

/**
 * Sorts stops by their kind, those that are cut off and those that stay. Throws for an empty one
 * and for what is neither text nor ids.
 */
export function readStops(stop: StopOptions["stop"] = [], stopStrings: StopOptions["stopStrings"] = []): Stops {
  const cut = typeof stop === "string" ? [stop] : stop;
  const kept = typeof stopStrings === "string" ? [stopStrings] : stopStrings;
  for (const [name, given] of [["stop", cut] as const, ["stopStrings", kept] as const]) {
    for (const value of given) {
      const isText = typeof value === "string";
      const isIds = name === "stop" && Array.isArray(value) && value.every(Number.isInteger);
      if ((isText || isIds) && value.length > 0) continue;
      const expected = name === "stop" ? "texts and lists of token ids, none empty" : "texts, none empty";
      throw new Error(`${name} holds ${JSON.stringify(value)}; expected ${expected}`);
    }
  }
  return {
    texts: cut.filter((value) => typeof value === "string"),
    sequences: cut.filter((value) => typeof value !== "string"),
    kept,
  };
}

/**
 * Returns a function that tells if new tokens end with a stop, which the last token completes.
 * `textAfter` reads tokens after others. Throws where there are texts and it is missing.
 */
export function stopTest(
  { texts, sequences, kept }: Stops,
  textAfter: ((before: readonly number[], tokens: readonly number[]) => string) | undefined,
): (prompt: readonly number[], tokens: readonly number[]) => boolean {
  const all = [...texts, ...kept];
  if (all.length > 0 && !textAfter) {
    throw new Error(
      `generate: to find the text ${JSON.stringify(all[0])}, give the model's tokenizer as \`tokenizer\``,
    );
  }
  const endsWith = (tokens: readonly number[], ids: readonly number[]) => {
    return ids.length <= tokens.length && ids.every((id, i) => id === tokens[tokens.length - ids.length + i]);
  };
  // A token is a byte at least.
  const longest = Math.max(0, ...all.map((text) => new TextEncoder().encode(text).length));
  return (prompt, tokens) => {
    if (sequences.some((ids) => endsWith(tokens, ids))) return true;
    if (all.length === 0 || !textAfter) return false;
    const from = Math.max(0, tokens.length - longest);
    const before = [...prompt, ...tokens.slice(0, from)].slice(-longest);
    const tail = textAfter(before, tokens.slice(from));
    return all.some((text) => tail.includes(text));
  };
}
