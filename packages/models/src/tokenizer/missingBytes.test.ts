import { expect, test } from "vitest";
import { Tokenizer } from "./tokenizer.ts";

/** A byte-level tokenizer without the byte 0x1d, which is written \u013f. */
const make = (model: object) =>
  new Tokenizer({
    tokenizerJson: {
      model: { type: "BPE", vocab: { "]": 0, '"': 1, ']"': 2, "?": 3 }, merges: [["]", '"']], ...model },
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      decoder: { type: "ByteLevel" },
      added_tokens: [],
      normalizer: null,
      post_processor: null,
    },
  });

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
