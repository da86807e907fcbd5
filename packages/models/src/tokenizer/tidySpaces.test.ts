import { expect, test } from "vitest";
import { StreamDecoder } from "./streamDecoder.ts";
import { Tokenizer } from "./tokenizer.ts";

const vocab = ["a", "Ġ", "!", ",", "'", "s", "n", "t"];
const tokenizerJson = {
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
  post_processor: null,
  decoder: { type: "ByteLevel" },
  model: { type: "BPE", vocab: Object.fromEntries(vocab.map((token, id) => [token, id])), merges: [] },
};
const text = "a , a 's !";

/** The text after encoding and decoding. */
const back = (tokenizerConfig?: object) => {
  const tokenizer = new Tokenizer({ tokenizerJson, tokenizerConfig });
  return tokenizer.decode(tokenizer.encode(text));
};

test("spaces before punctuation stay, unless clean_up_tokenization_spaces says otherwise", () => {
  expect(back()).toBe(text);
  expect(back({ clean_up_tokenization_spaces: false })).toBe(text);
  expect(back({ clean_up_tokenization_spaces: true })).toBe("a, a's!");
});

test("a stream keeps them too", () => {
  const tokenizer = new Tokenizer({ tokenizerJson });
  const stream = new StreamDecoder(tokenizer);
  const pieces = tokenizer.encode(text).map((id) => stream.push(id));
  expect(pieces.join("") + stream.flush()).toBe(text);
});
