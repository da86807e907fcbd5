import { expect, test } from "vitest";
import { digestOfTokenizer, hexDigest } from "./indexRecords.ts";

test.each([
  ["", "00000000"],
  ["a", "e8b7be43"],
  ["123456789", "cbf43926"],
  ["plumless", "4ddb0c25"],
  ["10", "a15d25e1"],
])("the digest of %j is %s", (text, digest) => {
  expect(hexDigest(text)).toBe(digest);
});

test("a tokenizer's digest depends on its ids and its chat template", () => {
  const make = (first: number, more: object = {}) =>
    digestOfTokenizer({ encode: () => [first, 2], eosTokenId: null, applyChatTemplate: () => "", ...more });
  const all = [make(1), make(2), make(1, { chatTemplate: "a" }), make(1, { chatTemplate: "b" })];
  expect(new Set(all).size).toBe(4);
  expect(make(1, { chatTemplate: null })).toBe(make(1));
  expect(make(1)).toBe(hexDigest("[[1,2],null]"));
});
