/** Turns words into token ids. */
export interface TokenModel {
  /** Ids by token, without added tokens. */
  readonly ids: ReadonlyMap<string, number>;
  /** Returns the ids of a word. Throws `UnknownTextError` for text without an id. */
  encode(word: string): number[];
  /** Cuts a long word into parts. Their ids, joined in order, are the ids of the word. */
  cut?(word: string): Iterable<string>;
}

/** A model in `tokenizer.json`, with the fields of all types. */
export interface ModelJson {
  readonly type?: string;
  readonly vocab: Readonly<Record<string, number>> | readonly (readonly [string, number])[];
  readonly merges?: readonly (string | readonly [string, string])[];
  readonly unk_token?: string | null;
  readonly unk_id?: number | null;
  readonly fuse_unk?: boolean;
  readonly byte_fallback?: boolean;
  readonly ignore_merges?: boolean;
  readonly continuing_subword_prefix?: string | null;
  readonly end_of_word_suffix?: string | null;
  readonly max_input_chars_per_word?: number;
}

/** Thrown for text without a matching token if the model also lacks an unknown token. */
export class UnknownTextError extends Error {
  readonly text: string;

  constructor(text: string) {
    super(`model has no token for ${JSON.stringify(text)}`);
    this.text = text;
  }
}
