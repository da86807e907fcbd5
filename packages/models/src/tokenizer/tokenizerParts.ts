/** The kinds of values that a field can have. "?" marks optional fields. */
export type ValueKind =
  | "text"
  | "text?"
  | "behavior?"
  | "scheme?"
  | "boolean?"
  | "count?"
  | "length"
  | "pattern"
  | "token"
  | "templateIds?"
  | "template"
  | "template?";

/**
 * The component types (such as "Lowercase" and "Strip") that one section of a `tokenizer.json` may contain. Each type
 * maps its field names to the kinds of their values. "parts" marks a field that is a list of components of the same
 * section.
 */
export type KnownParts = Readonly<Record<string, Readonly<Record<string, ValueKind | "parts">>>>;

const patternAndContent = { pattern: "pattern", content: "text?" } as const;

const normalizer: KnownParts = {
  BertNormalizer: {
    ...{ clean_text: "boolean?", handle_chinese_chars: "boolean?", strip_accents: "boolean?", lowercase: "boolean?" },
  },
  Precompiled: { precompiled_charsmap: "text?" },
  Sequence: { normalizers: "parts" },
  Replace: patternAndContent,
  NFC: {},
  NFD: {},
  NFKC: {},
  NFKD: {},
  Strip: { strip_left: "boolean?", strip_right: "boolean?" },
  StripAccents: {},
  Lowercase: {},
  Prepend: { prepend: "text" },
  Nmt: {},
  ByteLevel: {},
};

const preTokenizer: KnownParts = {
  BertPreTokenizer: {},
  Sequence: { pretokenizers: "parts" },
  Whitespace: {},
  WhitespaceSplit: {},
  Metaspace: { replacement: "text?", str_rep: "text?", prepend_scheme: "scheme?", split: "boolean?" },
  ByteLevel: { add_prefix_space: "boolean?", trim_offsets: "boolean?", use_regex: "boolean?" },
  Split: { pattern: "pattern", behavior: "behavior?", invert: "boolean?" },
  Punctuation: { behavior: "behavior?" },
  CharDelimiterSplit: { delimiter: "text" },
  Digits: { individual_digits: "boolean?" },
  Replace: patternAndContent,
  FixedLength: { length: "length" },
};

const postProcessor: KnownParts = {
  TemplateProcessing: { single: "template", pair: "template?", special_tokens: "templateIds?" },
  ByteLevel: {},
  BertProcessing: { sep: "token", cls: "token" },
  RobertaProcessing: { sep: "token", cls: "token" },
  Sequence: { processors: "parts" },
};

const decoder: KnownParts = {
  ByteLevel: {},
  WordPiece: { prefix: "text?", cleanup: "boolean?" },
  Metaspace: { replacement: "text?", prepend_scheme: "scheme?" },
  BPEDecoder: { suffix: "text?" },
  CTC: { pad_token: "text?", word_delimiter_token: "text?", cleanup: "boolean?" },
  Sequence: { decoders: "parts" },
  Replace: patternAndContent,
  Fuse: {},
  Strip: { content: "text?", start: "count?", stop: "count?" },
  ByteFallback: {},
};

/** The supported component types of each section of a `tokenizer.json` (such as "normalizer"), with their fields. */
export const tokenizerParts: Readonly<Record<string, KnownParts>> = {
  normalizer,
  pre_tokenizer: preTokenizer,
  post_processor: postProcessor,
  decoder,
};
