import type { JsonFields } from "../../config/jsonFields.ts";
import { type GgufVocabulary, listOf } from "./ggufVocabulary.ts";
import { type PreTokenizer, preTokenizers } from "./preTokenizers.ts";

/**
 * The pre-tokenizer that the file names; llama.cpp's default where it names none.
 * Throws for an unknown one.
 */
export function preTokenizerOf(metadata: JsonFields): PreTokenizer {
  return preTokenizers[metadata.oneOf("tokenizer.ggml.pre", Object.keys(preTokenizers), "default")];
}

/** The pairs of a BPE, in the order in which they are merged. */
export function readMerges(metadata: JsonFields): [string, string][] {
  return listOf<string>(metadata, "tokenizer.ggml.merges", "string").map((merge) => {
    // A token may begin with a space, but for the first character the space is between the two.
    const space = merge.indexOf(" ", 1);
    if (space < 0) {
      throw new Error(`${metadata.where}: tokenizer.ggml.merges holds ${JSON.stringify(merge)}, which is no pair`);
    }
    return [merge.slice(0, space), merge.slice(space + 1)];
  });
}

/** A byte-level BPE tokenizer, `tokenizer.ggml.model` gpt2: the parts of its tokenizer.json. */
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

/** Ids by token; made without a pair for each, since there are many. */
export function idsOf(tokens: readonly string[]): Record<string, number> {
  const ids: Record<string, number> = Object.create(null);
  for (let id = 0; id < tokens.length; id++) ids[tokens[id]] = id;
  return ids;
}
