// Trains the byte-level BPE tokenizer of the nano model on its own task data and
// writes model/tokenizer.json.
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { generatePairs } from "../src/tasks/generatePairs.ts";
import type { LanguageName } from "../src/tasks/languages/language.ts";
import { trainBytePairs } from "./trainBytePairs.ts";

const vocabSize = 768;
const pairsPerLanguage = 20_000;
const special = ["<pad>", "<s>", "</s>"];
const maxLength = 128;

/**
 * Matches words, single digits, operators and single punctuation marks with the spaces around them, and single white
 * space.
 */
const piecePattern = "\\p{L}+|\\p{N}| ?[-=<>!+*/~.]+ ?| ?[^\\s\\p{L}\\p{N}] ?|\\s";

function countPieces(): Map<string, number> {
  const counts = new Map<string, number>();
  const pieces = new RegExp(piecePattern, "gu");
  const languages: LanguageName[] = ["python", "javascript", "lua", "sql"];
  for (const language of languages) {
    for (const { prompt, completion } of generatePairs({
      language,
      split: "train",
      count: pairsPerLanguage,
      seed: 1,
    })) {
      for (const piece of (prompt + completion).match(pieces) ?? []) counts.set(piece, (counts.get(piece) ?? 0) + 1);
    }
  }
  return counts;
}

const { vocab, merges } = trainBytePairs(countPieces(), special, vocabSize);
const begin = { SpecialToken: { id: "<s>", type_id: 0 } };
const tokenizer = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: special.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })),
  normalizer: null,
  pre_tokenizer: {
    type: "Sequence",
    pretokenizers: [
      { type: "Split", pattern: { Regex: piecePattern }, behavior: "Isolated", invert: false },
      { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  },
  post_processor: {
    type: "TemplateProcessing",
    single: [begin, { Sequence: { id: "A", type_id: 0 } }],
    pair: [begin, { Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
    special_tokens: { "<s>": { id: "<s>", ids: [special.indexOf("<s>")], tokens: ["<s>"] } },
  },
  decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab,
    merges,
  },
};
const tokenizerConfig = {
  add_prefix_space: false,
  backend: "tokenizers",
  bos_token: "<s>",
  clean_up_tokenization_spaces: false,
  eos_token: "</s>",
  model_max_length: maxLength,
  pad_token: "<pad>",
  tokenizer_class: "PreTrainedTokenizerFast",
};

const folder = fileURLToPath(new URL("../model/", import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}tokenizer.json`, `${JSON.stringify(tokenizer, null, 2)}\n`);
writeFileSync(`${folder}tokenizer_config.json`, `${JSON.stringify(tokenizerConfig, null, 2)}\n`);
process.stdout.write(`tokenizer: ${Object.keys(vocab).length} entries, ${merges.length} merges, in ${folder}\n`);
