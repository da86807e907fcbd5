import { expect, test } from "vitest";
import { StreamDecoder } from "./streamDecoder.ts";
import { byteLevelJson } from "./testing/byteLevelJson.ts";
import { Tokenizer } from "./tokenizer.ts";

// The four bytes of 😀 in the letters of byte-level tokenizers, and two letters.
const vocab = ["ð", "Ł", "ĺ", "Ģ", "a", "b"];
const tokenizer = new Tokenizer({ tokenizerJson: byteLevelJson(vocab) });
const ids = (...tokens: string[]) => tokens.map((token) => vocab.indexOf(token));
const pieces = (stream: StreamDecoder, tokens: readonly string[]) => ids(...tokens).map((id) => stream.push(id));

test("after a prompt that ends inside of a character, the other bytes are broken ones and the text goes on", () => {
  const stream = new StreamDecoder(tokenizer, { after: ids("a", "ð") });
  expect(pieces(stream, ["Ł", "ĺ", "Ģ", "a", "b"])).toEqual(["", "", "", "\uFFFD\uFFFD\uFFFDa", "b"]);
  expect(stream.flush()).toBe("");
});

test("broken bytes inside of a stream come out with what follows, once", () => {
  const stream = new StreamDecoder(tokenizer);
  expect(pieces(stream, ["a", "Ģ", "b", "ð", "a"])).toEqual(["a", "", "\uFFFDb", "", "\uFFFDa"]);
  expect(pieces(stream, ["ð", "Ł", "ĺ", "Ģ"])).toEqual(["", "", "", "\u{1F600}"]);
  expect(stream.flush()).toBe("");
});
