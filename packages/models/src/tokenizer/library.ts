import * as huggingFace from "@huggingface/tokenizers";

// The library's own declarations import each other without file endings, which TypeScript does not
// follow under `nodenext`: they would all be `any`. What is used of them is declared here.

/** A tokenizer of @huggingface/tokenizers. */
export interface LibraryTokenizer {
  readonly model: TokenizerModel;
  readonly normalizer: (((text: string) => string) & TokenizerPart) | null;
  readonly post_processor: ((tokens: string[], pair: null, addSpecialTokens: boolean) => { tokens: string[] }) | null;
  readonly splitter_unnormalized: Splitter;
  readonly splitter_normalized: Splitter;
  readonly remove_space?: boolean;
  readonly do_lowercase_and_remove_accent: boolean;
  readonly pre_tokenizer: PreTokenizer | null;
  readonly decoder: Decoder | null;
  /** Splits off added tokens, encodes what is between them, and adds special tokens. */
  tokenize_helper(text: string, options: { add_special_tokens?: boolean }): { tokens: string[] };
  readonly added_tokens_map: ReadonlyMap<string, AddedToken>;
  decode(ids: number[], options: { skip_special_tokens: boolean }): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  get_vocab(): Map<string, number>;
}

/** Any of its models, which make tokens of words. */
export interface TokenizerModel {
  /** The model in `tokenizer.json`. */
  readonly config: { readonly type?: string; readonly unk_token?: string; readonly byte_fallback?: boolean };
  /** Scores of pieces, which only a Unigram has. */
  readonly scores?: readonly number[];
  /** Added tokens too. */
  readonly tokens_to_ids: ReadonlyMap<string, number>;
  /** `unk_id` as the file has it, or the id of `unk_token` where the vocabulary holds that. */
  unk_token_id?: number | null;
  readonly unk_token?: string | null;
  /** The tokens of words; what has none stands for itself, or the unknown token does. */
  encode(words: readonly string[]): string[];
  /** Those, with runs of unknown tokens as one where the model has it so. */
  _call(words: readonly string[]): string[];
}

interface AddedToken {
  readonly id: number;
  /** True if it takes the white space before or behind it away. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
}

/** Splits a text at added tokens, which are parts too. */
export interface Splitter {
  split(text: string): string[];
}

/** A normalizer, a pre-tokenizer or a decoder; a sequence has those of which it is one. */
export interface TokenizerPart {
  readonly normalizers?: readonly (TokenizerPart | null)[];
  readonly tokenizers?: readonly (TokenizerPart | null)[];
  readonly decoders?: readonly (TokenizerPart | null)[];
}

/** Any of its pre-tokenizers. */
export interface PreTokenizer extends TokenizerPart {
  pre_tokenize_text(text: string, options?: object): string[];
}

/** Any of its decoders. */
export type Decoder = TokenizerPart;

/** Its byte-pair encoder. */
export interface BytePairModel extends TokenizerModel {
  readonly byte_fallback: boolean;
  readonly end_of_word_suffix?: string | null;
  /** True if a run of unknown tokens is one. */
  readonly fuse_unk: boolean;
  readonly merges: readonly (readonly [string, string])[];
  readonly continuing_subword_suffix?: string | null;
  /** The tokens of a word. */
  bpe(word: string): string[];
}

/** Its pre-tokenizer that writes bytes as characters. */
export interface ByteLevelPreTokenizer extends PreTokenizer {
  pattern: RegExp;
  readonly use_regex: boolean;
  readonly add_prefix_space: boolean;
  readonly byte_encoder: Readonly<Record<number, string>>;
}

interface Library {
  BPE: new (config: object) => BytePairModel;
  Tokenizer: new (tokenizerJson: object, tokenizerConfig: object) => LibraryTokenizer;
  ReplaceNormalizer: new (
    config: object,
  ) => TokenizerPart & {
    normalize: (text: string) => string;
    readonly config: { readonly pattern?: { readonly String?: string }; readonly content?: string | null };
  };
  SequencePreTokenizer: new (
    config: object,
  ) => { readonly tokenizers: readonly (PreTokenizer | null)[] } & PreTokenizer;
  ByteLevelPreTokenizer: new (config: object) => ByteLevelPreTokenizer;
  DigitsPreTokenizer: new (
    config: object,
  ) => PreTokenizer & {
    pattern: RegExp;
    readonly config: { individual_digits?: boolean };
  };
  SplitPreTokenizer: new (
    config: object,
  ) => PreTokenizer & {
    readonly pattern: RegExp | string | null;
    readonly config: { invert?: boolean; behavior?: string };
  };
  SequenceDecoder: new (config: object) => { readonly decoders: readonly Decoder[] };
  ByteFallbackDecoder: new (config: object) => { text_decoder: TextDecoder };
  ByteLevelDecoder: new (config: object) => { readonly byte_decoder: Readonly<Record<string, number>> };
}

/** The classes of @huggingface/tokenizers that are used here. */
export const library: Library = huggingFace as unknown as Library;
