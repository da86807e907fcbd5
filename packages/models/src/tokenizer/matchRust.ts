import {
  type BytePairModel,
  type LibraryTokenizer,
  library,
  type TokenizerModel,
  type TokenizerPart,
} from "./library.ts";

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
 * characters and words that the vocabulary lacks, dollars of a replacement, and runs of byte
 * tokens.
 */
export function matchRust({ normalizer, pre_tokenizer, model, decoder }: LibraryTokenizer): void {
  if (model instanceof library.BPE) dropMissing(model);
  if (model.scores) fixUnknownPieces(model);
  // The JavaScript library takes the unknown token of words from tokenizer_config.json.
  else model.unk_token_id = model.tokens_to_ids.get(model.config.unk_token as string);
  for (const part of [normalizer, pre_tokenizer, decoder]) for (const inner of innermost(part)) fix(inner);
}

/** A part, or those of which it is a sequence. */
function* innermost(part: TokenizerPart | null): Generator<TokenizerPart> {
  if (!part) return;
  const inner = part.normalizers ?? part.tokenizers ?? part.decoders;
  if (!inner) yield part;
  else for (const one of inner) yield* innermost(one);
}

/**
 * Drops characters that the vocabulary lacks before words are merged, so that their neighbours
 * can merge. The JavaScript library drops them afterwards. Where there is an unknown token,
 * that stands in their place.
 */
function dropMissing(model: BytePairModel): void {
  const { tokens_to_ids: ids, unk_token, byte_fallback, end_of_word_suffix } = model;
  if (unk_token != null || end_of_word_suffix) return;
  const isKnown = (character: string) => ids.has(character) || (byte_fallback && bytesOf(character, ids));
  const bpe = model.bpe.bind(model);
  model.bpe = (word) => bpe([...word].filter(isKnown).join(""));
}

/** Returns the tokens of a text's bytes; undefined where one is missing. */
function bytesOf(text: string, ids: TokenizerModel["tokens_to_ids"]): string[] | undefined {
  const tokens = Array.from(
    new TextEncoder().encode(text),
    (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  );
  return tokens.every((token) => ids.has(token)) ? tokens : undefined;
}

/**
 * Makes one token of a run of unknown pieces in a word, not across words, and writes it as bytes
 * where the model falls back to them and has all of them.
 */
function fixUnknownPieces(model: TokenizerModel): void {
  const { tokens_to_ids: ids, unk_token_id, config } = model;
  const call = model._call.bind(model);
  const hasBytes = config.byte_fallback && unk_token_id != null;
  model._call = (words) =>
    words.flatMap((word) =>
      call([word]).flatMap((piece) => (ids.has(piece) || !hasBytes ? piece : (bytesOf(piece, ids) ?? piece))),
    );
}

function fix(part: TokenizerPart): void {
  if (part instanceof library.ReplaceNormalizer) {
    replaceInPieces(part);
  } else if (part instanceof library.ByteLevelPreTokenizer) {
    part.pattern = gpt2Pattern;
  } else if (part instanceof library.DigitsPreTokenizer) {
    part.pattern = part.config.individual_digits ? /\P{N}+|\p{N}/gu : /\P{N}+|\p{N}+/gu;
  } else if (part instanceof library.ByteFallbackDecoder) {
    part.text_decoder = new ByteRunDecoder();
  }
}

/** Characters of which one is replaced at a time. */
const piece = 65_536;

/**
 * Replaces one character, as a space by U+2581, in pieces of a text. V8 returns a replaced text as
 * a tree of its parts: for a text of 10 MB with spaces that is 130 MB.
 */
function replaceInPieces(part: InstanceType<typeof library.ReplaceNormalizer>): void {
  const { pattern, content } = part.config;
  const character = pattern?.String;
  if (character === undefined || !/^[^\uD800-\uDFFF]$/.test(character)) return;
  part.normalize = (text) => {
    const pieces: string[] = [];
    for (let at = 0; at < text.length; at += piece) {
      const parts = text.slice(at, at + piece).split(character);
      pieces.push(parts.join(content ?? ""));
    }
    return pieces.join("");
  };
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
