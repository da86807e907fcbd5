import { memoryFiles } from "@lowrank/files";
import { expect, test } from "vitest";
import { byteLevelJson } from "./testing/byteLevelJson.ts";
import { Tokenizer } from "./tokenizer.ts";

const good = byteLevelJson(["a", "b", "ab"], { merges: ["a b"] }) as Record<string, unknown>;
const model = good.model as object;
const read = (json: unknown, config: unknown = {}) =>
  Tokenizer.fromFiles(
    memoryFiles({ "tokenizer.json": JSON.stringify(json), "tokenizer_config.json": JSON.stringify(config) }, "mine"),
  );
const split = (Regex: unknown) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false });
const { decoder: _, ...undecoded } = good;

test("a good tokenizer is read, with merges of either form", async () => {
  expect((await read(good)).encode("ab")).toEqual([2]);
  expect((await read({ ...good, model: { ...model, merges: [["a", "b"]] } })).encode("ab")).toEqual([2]);
});

test.each<[string, unknown, string]>([
  ["no object", [], "tokenizer.json of mine: expected a JSON object, found []"],
  [
    "an id that is none",
    { ...good, model: { ...model, vocab: { a: 2 ** 31 } } },
    "model: vocab: a is 2147483648; expected a token id",
  ],
  ["a fraction for an id", { ...good, model: { ...model, vocab: { a: 0.5 } } }, "vocab: a is 0.5"],
  ["an added token's id", { ...good, added_tokens: [{ id: false, content: "x" }] }, "added_tokens[0]: id is false"],
  [
    "an empty added token",
    { ...good, added_tokens: [{ id: 1, content: "" }] },
    'content is ""; expected a text that is not',
  ],
  ["no added tokens", { ...good, added_tokens: null }, "added_tokens is null; expected a list"],
  [
    "a merge that is none",
    { ...good, model: { ...model, merges: ["a b", "ab"] } },
    'merges[1] is "ab"; expected two tokens',
  ],
  ["merges of two forms", { ...good, model: { ...model, merges: [["a", "b"], "a b"] } }, "merges[1] is"],
  ["no model", { ...good, model: 3 }, "model: expected a JSON object, found 3"],
  ["a model without a type", { ...good, model: { ...model, type: null } }, "model: type is null; expected BPE, "],
  ["an unknown model", { ...good, model: { ...model, type: "WordLevel2" } }, 'type is "WordLevel2"; expected "BPE" or'],
  ["an unknown part", { ...good, decoder: { type: "x" } }, 'decoder: type is "x"; expected "ByteLevel" or'],
  [
    "a part within a part",
    { ...good, decoder: { type: "Sequence", decoders: [null] } },
    "decoders: 0 is null; expected a part",
  ],
  [
    "a sequence without end",
    { ...good, decoder: { type: "Sequence", decoders: Array(101).fill({ type: "Fuse" }) } },
    "decoder: decoders has 101 parts; at most 100 are supported",
  ],
  ["a missing part", undecoded, "decoder is missing; set it to null if the tokenizer has none"],
  [
    "a slow expression",
    { ...good, pre_tokenizer: split("(a+)+$") },
    "bounded time, and it repeats a part that itself contains a repeat",
  ],
  [
    "an expression that takes a high power of a text's length",
    { ...good, pre_tokenizer: split("a*a*a*a*b") },
    "bounded time, and it has 4 open-ended repeats (such as *) before a part that may fail to match",
  ],
  [
    "no expression",
    { ...good, pre_tokenizer: split("(") },
    "tokenizer.json of mine cannot be used: Invalid regular expression",
  ],
  ["a pattern of another kind", { ...good, pre_tokenizer: split(7) }, "Regex is 7; expected a text"],
])("refuses %s", async (_what, json, message) => {
  await expect(read(json)).rejects.toThrow(message);
});

test("tokenizer_config.json is checked too", async () => {
  await expect(read(good, null)).rejects.toThrow("tokenizer_config.json of mine: expected a JSON object, found null");
  await expect(read(good, { additional_special_tokens: 5 })).rejects.toThrow("additional_special_tokens is 5");
  await expect(read(good, { chat_template: [null] })).rejects.toThrow('chat_template has no template named "default"');
});
