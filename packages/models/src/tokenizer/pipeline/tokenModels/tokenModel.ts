/** The part of a tokenizer that converts a word to token ids, such as a BPE. */
export interface TokenModel {
  /** The id of each token of the vocabulary, without added tokens. */
  readonly ids: ReadonlyMap<string, number>;
  /**
   * Converts a word to ids. Throws `UnknownTextError` if a part of the word matches no token and the model has no
   * unknown token.
   */
  encode(word: string): number[];
  /**
   * Cuts a long word into parts that can be encoded separately: the concatenated ids of the parts are the ids of the
   * word.
   */
  cut?(word: string): Iterable<string>;
}

/** A model in `tokenizer.json`, with the fields of all model types. */
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

/** Thrown for text that no token matches, if the model does not have an unknown token either. */
export class UnknownTextError extends Error {
  readonly text: string;

  constructor(text: string) {
    super(`model has no token for ${JSON.stringify(text)}`);
    this.text = text;
  }
}
