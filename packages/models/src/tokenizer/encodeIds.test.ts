import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encoderOf } from "./encodeIds.ts";
import { library } from "./library.ts";
import { matchRust } from "./matchRust.ts";
import { byteLevelJson } from "./testing/byteLevelJson.ts";

const template = {
  type: "TemplateProcessing",
  single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
  pair: [],
};
const added = ["<s>", "</s>"].map((content, i) => ({ id: 100 + i, content, special: true, rstrip: i > 0 }));

/** A tokenizer of texts with U+2581 for spaces, whose words no rule splits. */
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
/** Long enough that words are cut. */
const text = fc.oneof(
  short,
  short.map((part) => (part === "" ? "" : part.repeat(Math.ceil(1100 / part.length)))),
  fc.constantFrom("ab".repeat(1000), "ba".repeat(1000)),
);

test("a long word is cut wherever no merge joins two characters", () => {
  const tokenizer = new library.Tokenizer(spaced(letters, inWords, { unk_token: "<unk>", fuse_unk: true }), {});
  const { model } = tokenizer as unknown as { model: { bpe(word: string): string[] } };
  const words = new Set<string>();
  const bpe = model.bpe.bind(model);
  model.bpe = (word) => {
    words.add(word);
    return bpe(word);
  };
  encoderOf(tokenizer, "x")("ab a\nba\n".repeat(200), true);
  expect([...words]).toEqual(["▁ab", "▁a", "\n", "ba", "ab"]);
});

describe("ids are those of the library, which takes a text as a whole", () => {
  test.each(cases)("%s", (_, json) => {
    const make = () => {
      const tokenizer = new library.Tokenizer(json, {});
      matchRust(tokenizer);
      return tokenizer as typeof tokenizer & { encode(text: string, options: object): { ids: number[] } };
    };
    const whole = make();
    const encode = encoderOf(make(), "x");
    fc.assert(
      fc.property(text, fc.boolean(), (given, add_special_tokens) => {
        const { ids } = whole.encode(given, { add_special_tokens });
        if (!ids.includes(undefined as never)) expect(encode(given, add_special_tokens)).toEqual(ids);
      }),
      { numRuns: 30 },
    );
  });
});
