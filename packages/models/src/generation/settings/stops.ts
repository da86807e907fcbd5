import { OptionError } from "@lowrank/core";

/** Settings that end a sequence before EOS. Only the new text is searched, not the prompt. */
export interface StopOptions {
  /**
   * Texts, or lists of token ids, that end a sequence. Returned or streamed text ends before the stop sequence, as with
   * OpenAI-style servers. The token lists that `generate` returns include it.
   */
  stop?: string | readonly (string | readonly number[])[];
  /**
   * Texts that end a sequence, as in transformers. The returned text includes them, up to the end of the token that
   * completes them.
   */
  stopStrings?: string | readonly string[];
}

/** Stop sequences, one list for each kind. */
export interface Stops {
  /** Texts of `stop`, which are not included in the returned text. */
  readonly texts: readonly string[];
  /**
   * Stop sequences of the option `stop` that are given as token ids: one list per stop sequence. They are not included
   * in the returned text.
   */
  readonly sequences: readonly (readonly number[])[];
  /** Texts of `stopStrings`, which are included in the returned text. */
  readonly kept: readonly string[];
}

/**
 * Collects the stop sequences of both options. Throws for an empty sequence, and for a value that is neither a text nor
 * a list of token ids.
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
      throw new OptionError("", name, value, `holds ${JSON.stringify(value)}; expected ${expected}`);
    }
  }
  return {
    texts: cut.filter((value) => typeof value === "string"),
    sequences: cut.filter((value) => typeof value !== "string"),
    kept,
  };
}

/**
 * Returns a function that returns true if the last of a sequence's new tokens completes a stop sequence. `textAfter`
 * decodes `tokens` as the continuation of `before`. Throws if `textAfter` is missing but there are stop texts.
 */
export function stopTest(
  { texts, sequences, kept }: Stops,
  textAfter: ((before: readonly number[], tokens: readonly number[]) => string) | undefined,
): (prompt: readonly number[], tokens: readonly number[]) => boolean {
  const all = [...texts, ...kept];
  if (all.length > 0 && !textAfter) {
    throw new Error(
      `generate: to stop at the text ${JSON.stringify(all[0])}, give the model's tokenizer as the option \`tokenizer\``,
    );
  }
  const endsWith = (tokens: readonly number[], ids: readonly number[]) => {
    return ids.length <= tokens.length && ids.every((id, i) => id === tokens[tokens.length - ids.length + i]);
  };
  // A token has at least one byte, so a stop text has at most this many tokens.
  const longest = Math.max(...all.map((text) => new TextEncoder().encode(text).length));
  return (prompt, tokens) => {
    if (sequences.some((ids) => endsWith(tokens, ids))) return true;
    if (all.length === 0) return false;
    const from = Math.max(0, tokens.length - longest);
    const before = [...prompt, ...tokens.slice(0, from)].slice(-longest);
    const tail = textAfter!(before, tokens.slice(from));
    return all.some((text) => tail.includes(text));
  };
}
