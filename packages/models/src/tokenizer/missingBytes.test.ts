import { expect, test } from "vitest";
import { byteLevelJson } from "./testing/byteLevelJson.ts";
import { Tokenizer } from "./tokenizer.ts";

/** Returns a byte-level tokenizer without the byte 0x1d, which is the letter \u013f. */
const make = (model: object) =>
  new Tokenizer({ tokenizerJson: byteLevelJson(["]", '"', ']"', "?"], { merges: [["]", '"']], ...model }) });

test("a byte that the vocabulary lacks is dropped before merging, as in the Rust library", () => {
  const tokenizer = make({});
  expect(tokenizer.encode(']"')).toEqual([2]);
  expect(tokenizer.encode(']\x1d"')).toEqual([2]);
  expect(tokenizer.encode('\x1d]\x1d\x1d"\x1d')).toEqual([2]);
  expect(tokenizer.encode("\x1d")).toEqual([]);
});

test("where there is an unknown token it stands in the byte's place", () => {
  expect(make({ unk_token: "?" }).encode(']\x1d"')).toEqual([0, 3, 1]);
});
