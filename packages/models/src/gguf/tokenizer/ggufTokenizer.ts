import { JsonFields } from "../../config/jsonFields.ts";
import type { GgufHeader } from "../readGguf.ts";
import { bpeTokenizer, idsOf, preTokenizerOf, readMerges } from "./bpeTokenizer.ts";
import { type GgufVocabulary, ggufVocabulary, listOf } from "./ggufVocabulary.ts";

/** The GGUF key of each special token's id, by the token's name in tokenizer_config.json. */
const specialTokens = {
  bos_token: "tokenizer.ggml.bos_token_id",
  eos_token: "tokenizer.ggml.eos_token_id",
  unk_token: "tokenizer.ggml.unknown_token_id",
  pad_token: "tokenizer.ggml.padding_token_id",
} as const;

/**
 * For each `tokenizer.ggml.model`, the function that makes the normalizer, pre-tokenizer, decoder and model of a
 * tokenizer.json.
 */
const partsOf = { gpt2: bpeTokenizer, llama: sentencePieceTokenizer, gemma4: mergedLettersTokenizer } as const;

/** A tokenizer as the JSON values of tokenizer.json and tokenizer_config.json. */
export interface GgufTokenizer {
  readonly tokenizerJson: object;
  readonly tokenizerConfig: { readonly chat_template?: string; readonly [name: string]: unknown };
}

/**
 * Returns the tokenizer of a GGUF file as the JSON values of tokenizer.json and tokenizer_config.json, with the chat
 * template; undefined if the file has no tokenizer. Throws for an unsupported tokenizer or pre-tokenizer.
 */
export function ggufTokenizer({ metadata }: GgufHeader, label: string): GgufTokenizer | undefined {
  const fields = new JsonFields(Object.fromEntries(Array.from(metadata, ([key, { value }]) => [key, value])), label);
  if (["none", "no_vocab", undefined].includes(fields.raw("tokenizer.ggml.model") as string | undefined)) {
    return undefined;
  }
  const kind = fields.oneOf("tokenizer.ggml.model", Object.keys(partsOf) as (keyof typeof partsOf)[]);
  const vocabulary = ggufVocabulary(fields);
  const special: Record<string, string> = {};
  for (const [name, key] of Object.entries(specialTokens)) {
    const id = fields.tokenId(key, null);
    if (id === null) continue;
    if (id >= vocabulary.tokens.length) throw fields.bad(key, `an id below ${vocabulary.tokens.length}`);
    special[name] = vocabulary.tokens[id];
  }
  const addBos = fields.boolean("tokenizer.ggml.add_bos_token", kind !== "gpt2" || preTokenizerOf(fields).addBos);
  const around = {
    before: addBos ? special.bos_token : undefined,
    after: fields.boolean("tokenizer.ggml.add_eos_token", false) ? special.eos_token : undefined,
  };
  return {
    tokenizerJson: wholeTokenizer(fields) ?? {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: vocabulary.added.map((token) => ({
        ...token,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
      })),
      ...partsOf[kind](fields, vocabulary),
      post_processor: postProcessor(around, vocabulary),
    },
    tokenizerConfig: {
      tokenizer_class: "PreTrainedTokenizerFast",
      clean_up_tokenization_spaces: false,
      ...special,
      ...chatTemplate(fields),
    },
  };
}

/**
 * Returns the tokenizer.json that the file contains in full; undefined if it contains none. Converters store it if
 * GGUF's keys cannot express the tokenizer.
 */
function wholeTokenizer(fields: JsonFields): object | undefined {
  const text = fields.raw("tokenizer.huggingface.json");
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text as string);
  } catch (error) {
    throw new Error(`${fields.where}: tokenizer.huggingface.json is not valid JSON: ${(error as Error).message}`);
  }
}

/** Returns a post-processor that adds BOS before and EOS after a text; null if it adds neither. */
function postProcessor(
  { before, after }: { before: string | undefined; after: string | undefined },
  { ids }: GgufVocabulary,
): object | null {
  const used = [before, after].filter((token) => token !== undefined);
  if (used.length === 0) return null;
  const around = (sequence: string, type: number) => [
    ...(before === undefined ? [] : [{ SpecialToken: { id: before, type_id: type } }]),
    { Sequence: { id: sequence, type_id: type } },
    ...(after === undefined ? [] : [{ SpecialToken: { id: after, type_id: type } }]),
  ];
  const special = used.map((id) => [id, { id, ids: [ids.get(id)], tokens: [id] }]);
  return {
    type: "TemplateProcessing",
    single: around("A", 0),
    pair: [...around("A", 0), ...around("B", 1)],
    special_tokens: Object.fromEntries(special),
  };
}

function chatTemplate(fields: JsonFields): { chat_template?: string } {
  const template = fields.raw("tokenizer.chat_template");
  if (template === undefined) return {};
  if (typeof template !== "string") throw fields.bad("tokenizer.chat_template", "a text");
  return { chat_template: template };
}

/** The character that replaces spaces in SentencePiece. */
const space = "\u2581";

/**
 * Returns the normalizer, pre-tokenizer, decoder and model of a tokenizer.json for a SentencePiece tokenizer with
 * scores (`tokenizer.ggml.model` llama). As in transformers, it becomes a BPE. Its merges are all pairs of tokens whose
 * concatenation is a token, highest score first.
 */
function sentencePieceTokenizer(metadata: JsonFields, vocabulary: GgufVocabulary): Record<string, unknown> {
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

/**
 * Returns the normalizer, pre-tokenizer, decoder and model of a tokenizer.json for Gemma 4's BPE with byte fallback
 * (`tokenizer.ggml.model` gemma4).
 */
function mergedLettersTokenizer(metadata: JsonFields, vocabulary: GgufVocabulary): Record<string, unknown> {
  return {
    ...lettersTokenizer(metadata, vocabulary, readMerges(metadata)),
    pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false },
  };
}

/**
 * Returns the normalizer, pre-tokenizer, decoder and model of a tokenizer.json for a BPE over characters with byte
 * fallback, in which U+2581 represents a space.
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
