import { describe, expect, test } from "vitest";
import { Tokenizer } from "./tokenizer.ts";

/** Makes a tokenizer for a model that splits words at spaces. The ids below are from tokenizers 0.23.3. */
const make = (model: object, more: object = {}) =>
  Tokenizer.fromParts({
    tokenizerJson: {
      ...{ added_tokens: [], normalizer: null, pre_tokenizer: { type: "WhitespaceSplit" }, post_processor: null },
      ...{ decoder: null, model, ...more },
    },
    label: "mine",
  });

const pieces = ["a", "b", "<unk>", "<0x63>", "<0xC3>", "<0xA9>"].map((piece, i) => [piece, -i]);
const unigram = (more: object) => make({ type: "Unigram", vocab: pieces, ...more });
const vocab = { a: 0, b: 1 };
const wordPiece = { type: "WordPiece", vocab, unk_token: "[UNK]", continuing_subword_prefix: "##" };
const added = { added_tokens: [{ id: 2, content: "<s>", special: true }] };

describe("an unknown letter is an error that names it, where there is no unknown token", () => {
  const fix = (key: string) => `set ${key} to a token of the vocabulary`;
  test.each<[string, object, string, string]>([
    ["Unigram, null", { type: "Unigram", vocab: pieces, unk_id: null }, '"é"', "unk_id"],
    ["Unigram, absent", { type: "Unigram", vocab: pieces }, '"é"', "unk_id"],
    ["Unigram, bytes", { type: "Unigram", vocab: pieces, unk_id: null, byte_fallback: true }, '"é"', "unk_id"],
    ["BPE", { type: "BPE", vocab, merges: [], unk_token: "<unk>" }, '"é"', "unk_token"],
    ["WordPiece", wordPiece, '"é"', "unk_token"],
    ["WordPiece, long", { ...wordPiece, vocab: { a: 0, aé: 1 }, max_input_chars_per_word: 1 }, '"é"', "unk_token"],
    ["WordLevel", { type: "WordLevel", vocab, unk_token: "[UNK]" }, '"aé"', "unk_token"],
  ])("%s", async (_, model, letter, key) => {
    const tokenizer = await make(model, added);
    expect(() => tokenizer.encode("a aé")).toThrow(
      `tokenizer.json of mine: model has no token for ${letter}; ${fix(key)}`,
    );
    expect(tokenizer.encode("a")).toEqual([0]);
  });
});

test("a BPE without an unknown token drops unknown letters", async () => {
  expect((await make({ type: "BPE", vocab, merges: [] })).encode("aéb c")).toEqual([0, 1]);
});

test("unknown pieces of a word are one token, and those of two words are two", async () => {
  const tokenizer = await unigram({ unk_id: 2 });
  expect(tokenizer.encode("x x a")).toEqual([2, 2, 0]);
  expect(tokenizer.encode("xx xy")).toEqual([2, 2]);
  expect(tokenizer.encode("x é é")).toEqual([2, 2, 2]);
});

test("a Unigram that falls back to bytes writes unknown pieces as bytes, if it has all of them", async () => {
  const tokenizer = await unigram({ unk_id: 2, byte_fallback: true });
  expect(tokenizer.encode("acb")).toEqual([0, 3, 1]);
  expect(tokenizer.encode("aéécb")).toEqual([0, 4, 5, 4, 5, 3, 1]);
  expect(tokenizer.encode("adcb")).toEqual([0, 2, 1]);
  expect(tokenizer.encode("é x")).toEqual([4, 5, 2]);
});

test("the unknown token of words is that of the model", async () => {
  expect((await make({ type: "WordLevel", vocab, unk_token: "b" })).encode("a zz")).toEqual([0, 1]);
});
