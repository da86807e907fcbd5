import { expect, test } from "vitest";
import { byteLevelJson } from "./testing/byteLevelJson.ts";
import { Tokenizer } from "./tokenizer.ts";

test("a byte-level token has its bytes, of a whole character or not", () => {
  const tokenizer = new Tokenizer({ tokenizerJson: byteLevelJson(["a", "Ġthe", "Ã", "©"]) });
  const bytes = [0, 1, 2, 3].map((id) => [...tokenizer.tokenBytes(id)]);
  expect(bytes).toEqual([[97], [32, 116, 104, 101], [0xc3], [0xa9]]);
  expect(() => tokenizer.tokenBytes(4)).toThrow("4 is not a token id");
});

test("a token of a word has the space before it, and a byte token its byte", () => {
  const decoders = [
    { type: "Replace", pattern: { String: "▁" }, content: " " },
    { type: "ByteFallback" },
    { type: "Fuse" },
  ];
  const strip = { type: "Strip", content: " ", start: 1, stop: 0 };
  const json = {
    ...byteLevelJson(["▁the", "<0xC3>", "s"], { byte_fallback: true }),
    decoder: { type: "Sequence", decoders: [...decoders, strip] },
    pre_tokenizer: null,
  };
  const tokenizer = new Tokenizer({ tokenizerJson: json });
  expect(tokenizer.decode([0])).toBe("the");
  expect([0, 1, 2].map((id) => [...tokenizer.tokenBytes(id)])).toEqual([[32, 116, 104, 101], [0xc3], [115]]);
});
