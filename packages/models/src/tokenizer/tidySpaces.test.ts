import { expect, test } from "vitest";
import { StreamDecoder } from "./streamDecoder.ts";
import { byteLevelJson } from "./testing/byteLevelJson.ts";
import { Tokenizer } from "./tokenizer.ts";

const tokenizerJson = byteLevelJson(["a", "Ġ", "!", ",", "'", "s", "n", "t"]);
const text = "a , a 's !";

/** Returns the text after encoding and decoding. */
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
