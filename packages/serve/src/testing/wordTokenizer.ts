import { Tokenizer } from "@lowrank/models";

/** Tokens of the word tokenizer: letters and pairs of letters, some also after a space, and two special tokens. */
const letters = [..."abcdefgh"];
const pairs = ["ab", "cd", "ef", "gh"];
const merges = [...pairs.map((pair) => [...pair].join(" ")), ...["a", "c", "ab", "ef"].map((word) => `Ġ ${word}`)];
const pieces = [...letters, "Ġ", ...pairs, "Ġa", "Ġc", "Ġab", "Ġef"];

/** Returns a small BPE tokenizer with a BOS token, in which some words have another token after a space. */
export function wordTokenizer(chatTemplate: string | null = null): Tokenizer {
  const vocab = Object.fromEntries(pieces.map((piece, id) => [piece, id]));
  const [bos, eos] = [pieces.length, pieces.length + 1];
  return new Tokenizer({
    label: "words",
    tokenizerJson: {
      added_tokens: [
        { id: bos, content: "<s>", special: true },
        { id: eos, content: "</s>", special: true },
      ],
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
      post_processor: {
        type: "TemplateProcessing",
        single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
        pair: [],
        special_tokens: { "<s>": { id: "<s>", ids: [bos], tokens: ["<s>"] } },
      },
      decoder: { type: "ByteLevel" },
      model: { type: "BPE", vocab, merges },
    },
    tokenizerConfig: { bos_token: "<s>", eos_token: "</s>" },
    chatTemplate,
  });
}
