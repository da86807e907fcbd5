import { type BytePairModel, type Decoder, type LibraryTokenizer, library, type PreTokenizer } from "./library.ts";

// Unicode White_Space, which \s means to the Rust library; JavaScript's \s
// lacks U+0085 and adds U+FEFF.
const space = "\\t-\\r \\u0085\\u00A0\\u1680\\u2000-\\u200A\\u2028\\u2029\\u202F\\u205F\\u3000";
const gpt2Pattern = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${space}\\p{L}\\p{N}]+|[${space}]+(?![^${space}])|[${space}]+`,
  "gu",
);

/**
 * Makes the JavaScript library follow the Rust library's rules in place of JavaScript's own, so
 * that ids and text are those of Python. They differ in white space, digits (all of \p{N}),
 * characters that the vocabulary lacks, and runs of byte tokens.
 */
export function matchRust({ pre_tokenizer, model, decoder }: LibraryTokenizer): void {
  if (model instanceof library.BPE) dropMissing(model);
  if (pre_tokenizer) fixPreTokenizer(pre_tokenizer);
  if (decoder) fixDecoder(decoder);
}

/**
 * Drops characters that the vocabulary lacks before words are merged, so that their neighbours
 * can merge. The JavaScript library drops them afterwards. Where there is an unknown token,
 * that stands in their place.
 */
function dropMissing(model: BytePairModel): void {
  const { tokens_to_ids: ids, unk_token, byte_fallback, end_of_word_suffix } = model;
  if (unk_token != null || end_of_word_suffix) return;
  const encoder = new TextEncoder();
  const byteToken = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
  const isKnown = (character: string) =>
    ids.has(character) || (byte_fallback && [...encoder.encode(character)].every((byte) => ids.has(byteToken(byte))));
  const bpe = model.bpe.bind(model);
  model.bpe = (word) => bpe([...word].filter(isKnown).join(""));
}

function fixPreTokenizer(part: PreTokenizer): void {
  if (part instanceof library.SequencePreTokenizer) {
    for (const inner of part.tokenizers) if (inner) fixPreTokenizer(inner);
  } else if (part instanceof library.ByteLevelPreTokenizer) {
    part.pattern = gpt2Pattern;
  } else if (part instanceof library.DigitsPreTokenizer) {
    part.pattern = part.config.individual_digits ? /\P{N}+|\p{N}/gu : /\P{N}+|\p{N}+/gu;
  }
}

function fixDecoder(part: Decoder): void {
  if (part instanceof library.SequenceDecoder) {
    for (const inner of part.decoders) fixDecoder(inner);
  } else if (part instanceof library.ByteFallbackDecoder) {
    part.text_decoder = new ByteRunDecoder();
  }
}

/**
 * A run of byte tokens is text as a whole, or each of its bytes is U+FFFD; a byte
 * order mark is a character.
 */
class ByteRunDecoder extends TextDecoder {
  constructor() {
    super("utf-8", { fatal: true, ignoreBOM: true });
  }

  override decode(bytes: Uint8Array): string {
    try {
      return super.decode(bytes);
    } catch {
      return "\uFFFD".repeat(bytes.length);
    }
  }
}
