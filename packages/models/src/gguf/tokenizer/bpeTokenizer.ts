import type { JsonFields } from "../../config/jsonFields.ts";
import { type GgufVocabulary, listOf } from "./ggufVocabulary.ts";
import { type PreTokenizer, preTokenizers } from "./preTokenizers.ts";

/**
 * Returns the pre-tokenizer that `tokenizer.ggml.pre` names, or llama.cpp's default if the key is missing. Throws for
 * an unknown name.
 */
export function preTokenizerOf(metadata: JsonFields): PreTokenizer {
  return preTokenizers[metadata.oneOf("tokenizer.ggml.pre", Object.keys(preTokenizers), "default")];
}

/** Reads the pairs of tokens that a BPE merges, in merge order. */
export function readMerges(metadata: JsonFields): [string, string][] {
  return listOf<string>(metadata, "tokenizer.ggml.merges", "string").map((merge) => {
    // A token may begin with a space, so the separator is the first space after the first character.
    const space = merge.indexOf(" ", 1);
    if (space === -1) {
      throw new Error(
        `${metadata.where}: tokenizer.ggml.merges has ${JSON.stringify(merge)}; expected two tokens with a space between`,
      );
    }
    return [merge.slice(0, space), merge.slice(space + 1)];
  });
}

/**
 * Returns the normalizer, pre-tokenizer, decoder and model of a tokenizer.json, for a byte-level BPE
 * (`tokenizer.ggml.model` gpt2).
 */
export function bpeTokenizer(metadata: JsonFields, { tokens }: GgufVocabulary): Record<string, unknown> {
  const { json, ignoreMerges } = preTokenizerOf(metadata);
  const merges = readMerges(metadata);
  return {
    normalizer: null,
    pre_tokenizer: json,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: ignoreMerges,
      vocab: idsOf(tokens),
      merges,
    },
  };
}

/**
 * Returns an object that maps each token to its id. It is filled in a loop, because `Object.fromEntries` would make a
 * pair per token, and vocabularies are large.
 */
export function idsOf(tokens: readonly string[]): Record<string, number> {
  const ids: Record<string, number> = Object.create(null);
  for (let id = 0; id < tokens.length; id++) ids[tokens[id]] = id;
  return ids;
}
