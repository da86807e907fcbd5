import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encoderOf, IdList } from "./encodeIds.ts";
import { byteLevelJson } from "./testing/byteLevelJson.ts";
import { encodingParts, type TokenizerJson } from "./tokenizerJson.ts";

const template = {
  type: "TemplateProcessing",
  single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
  pair: [],
};
const added = ["<s>", "</s>"].map((content, i) => ({ id: 100 + i, content, special: true, rstrip: i > 0 }));

/** Returns a tokenizer that replaces spaces by U+2581 and does not split texts into words. */
const spaced = (vocab: readonly string[], merges: readonly string[], model: object = {}) => ({
  added_tokens: added,
  normalizer: {
    type: "Sequence",
    normalizers: [
      { type: "Prepend", prepend: "▁" },
      { type: "Replace", pattern: { String: " " }, content: "▁" },
    ],
  },
  pre_tokenizer: null,
  post_processor: template,
  decoder: null,
  model: { type: "BPE", vocab: Object.fromEntries(vocab.map((t, i) => [t, i])), merges, ...model },
});
const letters = ["<unk>", "▁", "a", "b", "▁a", "▁▁", "ab", "▁ab", "ba"];
const inWords = ["▁ a", "▁ ▁", "a b", "▁ ab", "▁a b", "b a"];
const withBytes = [...letters, ..."0A C3 A9 D0 B6".split(" ").map((byte) => `<0x${byte}>`)];
const split = { type: "Split", pattern: { Regex: " ?\\p{L}+|\\s+" }, behavior: "Isolated", invert: false };
const bytes = byteLevelJson(["a", "b", "Ġ", "1", "Ġa", "ab", "Ċ", "Ã", "©"], { merges: ["Ġ a", "a b"] });

const partsOf = (json: object) => encodingParts(json as TokenizerJson);
const cases: [string, object][] = [
  ["no rule", spaced(letters, inWords, { unk_token: "<unk>", fuse_unk: true })],
  ["no rule, unknown tokens apart", spaced(letters, inWords, { unk_token: "<unk>" })],
  ["no rule, characters dropped", spaced(letters.slice(1), inWords)],
  ["no rule, tokens across words", spaced([...letters, "a▁"], ["a ▁", ...inWords], { unk_token: "<unk>" })],
  ["no rule, bytes for what is unknown", spaced(withBytes, inWords, { unk_token: "<unk>", byte_fallback: true })],
  [
    "no rule, a long word that is a token",
    spaced([...letters, `▁${"ab".repeat(1000)}`], inWords, { unk_token: "<unk>", ignore_merges: true }),
  ],
  ["bytes", { ...bytes, added_tokens: added }],
  [
    "a split, digits and bytes",
    {
      ...bytes,
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          split,
          { type: "Digits", individual_digits: true },
          { type: "ByteLevel", add_prefix_space: true, use_regex: false },
        ],
      },
    },
  ],
  ["a rule that is not known here", { ...bytes, pre_tokenizer: { type: "WhitespaceSplit" } }],
  ["words, not byte pairs", wordPieces()],
];

function wordPieces(): object {
  const vocab = Object.fromEntries(["[UNK]", "a", "b", "##a", "##b"].map((t, i) => [t, i]));
  const model = { type: "WordPiece", vocab, unk_token: "[UNK]", continuing_subword_prefix: "##" };
  return { ...bytes, pre_tokenizer: { type: "WhitespaceSplit" }, decoder: { type: "WordPiece" }, model };
}

const pieces = ["a", "b", " ", "  ", "1", "é", "\n", "▁", "<s>", "</s>", "ab ", " ba", "ж"];
const short = fc.array(fc.constantFrom(...pieces), { maxLength: 30 }).map((parts) => parts.join(""));
/** Long enough for words to be cut. */
const text = fc.oneof(
  short,
  short.map((part) => (part === "" ? "" : part.repeat(Math.ceil(1100 / part.length)))),
  fc.constantFrom("ab".repeat(1000), "ba".repeat(1000)),
);

test("a long word is cut wherever no merge joins two characters", () => {
  const { model } = partsOf(spaced(letters, inWords, { unk_token: "<unk>", fuse_unk: true }));
  const word = "▁ab▁aba▁".repeat(200);
  const parts = [...(model.cut?.(word) ?? [])];
  expect(new Set(parts)).toEqual(new Set(["▁ab", "▁aba", "▁▁ab", "▁"]));
  expect(parts.join("")).toBe(word);
  const { model: withEmpty } = partsOf(spaced([...letters, ""], inWords, { ignore_merges: true }));
  expect([...(withEmpty.cut?.(word) ?? [])]).toEqual(parts);
});

test("words of up to 12 letters are encoded once, until 20000 are known", () => {
  const calls: string[] = [];
  const parts = partsOf({ ...bytes, pre_tokenizer: { type: "WhitespaceSplit" } });
  const counted = (kind: string) => (word: string) => {
    calls.push(kind + word.length);
    return kind === "encode" ? [word.length] : word;
  };
  const encode = encoderOf({
    ...parts,
    preTokenizer: { ...parts.preTokenizer, write: counted("write") as (word: string) => string },
    model: { ids: parts.model.ids, encode: counted("encode") as (word: string) => number[] },
  });
  const word = (length: number) => "x".repeat(length);
  expect(encode(`${word(12)} ${word(12)}`, false)).toEqual([12, 12]);
  expect(calls.splice(0)).toEqual(["write12", "encode12"]);
  expect(encode(`${word(13)} ${word(13)}`, false)).toEqual([13, 13]);
  expect(calls.splice(0)).toEqual(["write13", "encode13", "write13", "encode13"]);
  const words = Array.from({ length: 20_000 }, (_, i) => i.toString(36));
  const first = (text: string) => {
    encode(text, false);
    return calls.splice(0).length / 2;
  };
  // The word of 12 letters is known already.
  expect(first(words.slice(0, -1).join(" "))).toBe(19_999);
  expect(first(words[0])).toBe(0);
  expect(first(words.at(-1)!)).toBe(1);
  expect(first(words[0])).toBe(1);
});

test.each([0, 1, 65_536, 65_537, 131_075])("%i ids are one list", (count) => {
  const list = new IdList();
  for (let id = 0; id < count; id++) list.push(id);
  const ids = list.toArray();
  expect([ids.length, ids.findIndex((id, at) => id !== at)]).toEqual([count, -1]);
});

describe("cutting words does not change the ids of a text", () => {
  test.each(cases)("%s", (_, json) => {
    const parts = partsOf(json);
    const whole = encoderOf({ ...parts, model: { ...parts.model, cut: undefined } });
    const encode = encoderOf(parts);
    fc.assert(
      fc.property(text, fc.boolean(), (given, addSpecialTokens) => {
        expect(encode(given, addSpecialTokens)).toEqual(whole(given, addSpecialTokens));
      }),
      { numRuns: 30 },
    );
  });
});
