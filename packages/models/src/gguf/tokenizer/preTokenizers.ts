/** The tokenizer settings for one of llama.cpp's pre-tokenizer names. */
export interface PreTokenizer {
  readonly json: object;
  /** True if a word that is itself a token becomes this token, even if the merges would split the word differently. */
  readonly ignoreMerges: boolean;
  /** True if texts start with BOS by default. */
  readonly addBos: boolean;
}

const byteLevel = (regex: boolean) => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: regex,
});
const split = (pattern: string) => ({
  type: "Split",
  pattern: { Regex: pattern },
  behavior: "Isolated",
  invert: false,
});
const sequence = (...pretokenizers: object[]) => ({ type: "Sequence", pretokenizers });

/** GPT-2's pattern, which is built into ByteLevel. */
const gpt2Pattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** The pattern of Llama 3 and Qwen 2. `digits` is the pattern for groups of digits, in which they differ. */
const newerPattern = (digits: string) =>
  `(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

const plain = (json: object): PreTokenizer => ({ json, ignoreMerges: false, addBos: false });
const gpt2 = plain(byteLevel(true));
const digitsApart = plain(sequence({ type: "Digits", individual_digits: true }, byteLevel(true)));
const llama3: PreTokenizer = {
  json: sequence(split(newerPattern("\\p{N}{1,3}")), byteLevel(false)),
  ignoreMerges: true,
  addBos: true,
};
const qwen2 = plain(sequence(split(newerPattern("\\p{N}")), byteLevel(false)));
const byDefault = plain(
  sequence(...["[\\p{P}$+<=>^~|]+", gpt2Pattern, "\\p{N}+", "[0-9][0-9][0-9]"].map(split), byteLevel(false)),
);

/**
 * The pre-tokenizers by `tokenizer.ggml.pre`. Names that mean the same are grouped, as in llama.cpp's
 * src/llama-vocab.cpp.
 */
export const preTokenizers: Readonly<Record<string, PreTokenizer>> = {
  default: byDefault,
  "gpt-2": gpt2,
  gpt2,
  mpt: gpt2,
  olmo: gpt2,
  "phi-2": gpt2,
  smollm: digitsApart,
  starcoder: digitsApart,
  refact: digitsApart,
  "command-r": digitsApart,
  codeshell: digitsApart,
  "llama-bpe": llama3,
  llama3,
  "llama-v3": llama3,
  falcon3: llama3,
  pixtral: llama3,
  qwen2,
  "deepseek-r1-qwen": qwen2,
  stablelm2: qwen2,
};
