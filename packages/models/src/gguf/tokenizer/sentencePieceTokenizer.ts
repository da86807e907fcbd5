import type { JsonFields } from "../../config/jsonFields.ts";
import { idsOf, readMerges } from "./bpeTokenizer.ts";
import { type GgufVocabulary, listOf } from "./ggufVocabulary.ts";

/** The character that replaces spaces in SentencePiece. */
const space = "\u2581";

/**
 * Returns the parts of a tokenizer.json for a SentencePiece tokenizer with scores (`tokenizer.ggml.model` llama). As in
 * transformers, it becomes a BPE whose merges are all pairs of tokens that form a token, highest score first.
 */
export function sentencePieceTokenizer(metadata: JsonFields, vocabulary: GgufVocabulary): Record<string, unknown> {
  const scores = listOf<number>(metadata, "tokenizer.ggml.scores", "number", vocabulary.tokens.length);
  const prefixed = metadata.boolean("tokenizer.ggml.add_space_prefix", true);
  const { normalizer, decoder, ...parts } = lettersTokenizer(metadata, vocabulary, mergesOf(vocabulary, scores));
  const prepend = { type: "Prepend", prepend: space };
  const strip = { type: "Strip", content: " ", start: 1, stop: 0 };
  return {
    ...parts,
    normalizer: { type: "Sequence", normalizers: prefixed ? [prepend, normalizer] : [normalizer] },
    decoder: prefixed ? { ...decoder, decoders: [...decoder.decoders, strip] } : decoder,
  };
}

/** Returns the parts of a tokenizer.json for Gemma 4's BPE with byte fallback (`tokenizer.ggml.model` gemma4). */
export function mergedLettersTokenizer(metadata: JsonFields, vocabulary: GgufVocabulary): Record<string, unknown> {
  return {
    ...lettersTokenizer(metadata, vocabulary, readMerges(metadata)),
    pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false },
  };
}

/**
 * Returns the parts of a tokenizer.json for a BPE over characters with byte fallback, in which U+2581 stands for a
 * space.
 */
function lettersTokenizer(metadata: JsonFields, { tokens }: GgufVocabulary, merges: [string, string][]) {
  const unknown = metadata.integer("tokenizer.ggml.unknown_token_id", 0, 0);
  return {
    normalizer: { type: "Replace", pattern: { String: " " }, content: space },
    pre_tokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: space }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
      ],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: tokens[unknown],
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: idsOf(tokens),
      merges,
    },
  };
}

/**
 * Returns all pairs of tokens whose concatenation is a token. They are sorted by the score of that token, highest
 * first, then by the length of the left and of the right part, longest first.
 */
function mergesOf({ tokens, ids, added }: GgufVocabulary, scores: readonly number[]): [string, string][] {
  const apart = new Set(added.map(({ content }) => content));
  const pairs: { left: string; right: string; score: number }[] = [];
  for (const [id, token] of tokens.entries()) {
    if (apart.has(token)) continue;
    // Iterates over code points, not UTF-16 code units.
    for (let at = 0, left = ""; at < token.length; ) {
      left += String.fromCodePoint(token.codePointAt(at) as number);
      at = left.length;
      const right = token.slice(at);
      if (ids.has(left) && ids.has(right) && !apart.has(left) && !apart.has(right)) {
        pairs.push({ left, right, score: scores[id] });
      }
    }
  }
  const characters = (text: string) => Array.from(text).length;
  pairs.sort(
    (a, b) => b.score - a.score || characters(b.left) - characters(a.left) || characters(b.right) - characters(a.right),
  );
  return pairs.map(({ left, right }) => [left, right]);
}
