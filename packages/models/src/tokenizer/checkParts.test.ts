import { describe, expect, test } from "vitest";
import { checkTokenizer, checkTokenizerConfig } from "./checkTokenizer.ts";
import { tokenizerParts, type ValueKind } from "./tokenizerParts.ts";

const bpe = { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"] };
const unigram = { type: "Unigram", vocab: [["a", -1]], unk_id: 0 };
const none = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
const check = (more: object) => () => checkTokenizer({ added_tokens: [], model: bpe, ...none, ...more }, "t");
const model = (more: object) => check({ model: { ...bpe, ...more } });
const added = (more: object) => check({ added_tokens: [{ id: 3, content: "<s>", ...more }] });

test("ids are from 0 to 2^24 - 1", () => {
  for (const id of [0, 2 ** 24 - 1]) {
    expect(added({ id })).not.toThrow();
    expect(model({ vocab: { a: id }, merges: [] })).not.toThrow();
  }
  for (const id of [-1, 2 ** 24, 1.5, "1", null, undefined]) {
    expect(added({ id }), String(id)).toThrow("expected a token id from 0 to 16777215");
    if (id !== undefined)
      expect(model({ vocab: { a: id }, merges: [] })).toThrow("expected a token id from 0 to 16777215");
  }
});

test("fields of added tokens are of their types", () => {
  for (const key of ["single_word", "lstrip", "rstrip", "special", "normalized"]) {
    for (const value of [true, false, null]) expect(added({ [key]: value })).not.toThrow();
    expect(added({ [key]: 1 })).toThrow(`added_tokens[0]: ${key} is 1; expected true or false`);
  }
  expect(added({ content: undefined })).toThrow("content is undefined; expected a text");
  expect(check({ added_tokens: [3] })).toThrow("added_tokens[0]: expected a JSON object, found 3");
  expect(check({ added_tokens: {} })).toThrow("added_tokens is {}; expected a list");
});

describe("models", () => {
  const kinds = {
    BPE: { model: bpe, texts: ["unk_token?", "continuing_subword_prefix?", "end_of_word_suffix?"] },
    WordPiece: {
      model: { type: "WordPiece", vocab: { a: 0 }, unk_token: "a" },
      texts: ["unk_token", "continuing_subword_prefix?"],
    },
    WordLevel: { model: { type: "WordLevel", vocab: { a: 0 } }, texts: ["unk_token?"] },
  };
  test.each(Object.entries(kinds))("texts of %s", (_, kind) => {
    expect(check({ model: kind.model })).not.toThrow();
    expect(check({ model: { ...kind.model, vocab: null } })).toThrow("vocab is null; expected an object of ids");
    for (const text of kind.texts) {
      const key = text.replace("?", "");
      expect(check({ model: { ...kind.model, [key]: 1 } })).toThrow(`model: ${key} is 1; expected a text`);
      expect(check({ model: { ...kind.model, [key]: "a" } })).not.toThrow();
      const absent = check({ model: { ...kind.model, [key]: null } });
      if (text.endsWith("?")) expect(absent).not.toThrow();
      else expect(absent).toThrow(`${key} is null; expected a text`);
    }
  });

  test("the flags of BPE are true, false or absent", () => {
    for (const key of ["fuse_unk", "byte_fallback", "ignore_merges"]) {
      for (const value of [true, false, null]) expect(model({ [key]: value })).not.toThrow();
      expect(model({ [key]: "true" })).toThrow(`${key} is "true"; expected true or false`);
    }
  });

  test("WordPiece's longest word has at least 1 character", () => {
    const longest = (most: unknown) => check({ model: { ...kinds.WordPiece.model, max_input_chars_per_word: most } });
    for (const most of [1, 100, null]) expect(longest(most)).not.toThrow();
    expect(longest(0)).toThrow("max_input_chars_per_word is 0; expected a whole number of at least 1");
  });

  test("merges are all texts or all pairs", () => {
    for (const merges of [[], ["a b"], [["a", "b"]]]) expect(model({ merges })).not.toThrow();
    for (const merges of [["ab"], [3], ["a b", ["a", "b"]]]) {
      expect(model({ merges })).toThrow("expected two tokens and a space between");
    }
    for (const merges of [[["a"]], [["a", "b", "c"]], [["a", 1]], [[1, "a"]], [["a", "b"], "a b"]]) {
      expect(model({ merges })).toThrow("expected two texts");
    }
    expect(model({ merges: ["a b", "x".repeat(90)] })).toThrow(`merges[1] is "${"x".repeat(79)}; expected`);
    expect(model({ merges: undefined })).toThrow("merges is undefined; expected a list");
  });

  test("pieces of Unigram are texts with scores", () => {
    expect(check({ model: unigram })).not.toThrow();
    expect(check({ model: { ...unigram, unk_id: null } })).not.toThrow();
    expect(check({ model: { ...unigram, vocab: [] } })).toThrow("vocab is []; expected a text and its score");
    for (const piece of [3, ["a"], ["a", 1, 2], [1, 1], ["a", "1"], ["a", null]]) {
      const vocab = [["a", 0], piece];
      expect(check({ model: { ...unigram, vocab } })).toThrow(`vocab[1] is ${JSON.stringify(piece)}; expected a text`);
    }
    const long = check({ model: { ...unigram, vocab: ["x".repeat(90)] } });
    expect(long).toThrow(`vocab[0] is "${"x".repeat(79)}; expected`);
    expect(check({ model: { ...unigram, unk_id: 1 } })).toThrow("unk_id is 1; expected an id below 1");
    expect(check({ model: { ...unigram, unk_id: -1 } })).toThrow("unk_id is -1; expected a whole number of at least 0");
  });

  test("a model without a type is found by its fields", () => {
    const { type: _, ...untyped } = bpe;
    expect(check({ model: untyped })).not.toThrow();
    expect(check({ model: { ...untyped, merges: ["ab"] } })).toThrow("merges[0]");
    expect(check({ model: { vocab: [["a", "b"]] } })).toThrow("vocab[0]");
    expect(check({ model: { vocab: { a: 0 } } })).not.toThrow();
    expect(check({ model: { vocab: { a: 0 }, continuing_subword_prefix: "##" } })).toThrow("unk_token is undefined");
    expect(check({ model: { vocab: 3 } })).toThrow("type is undefined; expected BPE, WordPiece, Unigram, WordLevel");
    expect(check({ model: { type: null, vocab: { a: 0 } } })).toThrow("type is null; expected BPE");
  });
});

/** Valid values of each kind of field, and invalid values with the reason in the error. */
const values: Readonly<Record<ValueKind, { good: unknown[]; bad: [unknown, string][] }>> = {
  text: {
    good: ["", "x"],
    bad: [
      [1, "expected a text"],
      [null, "expected a text"],
    ],
  },
  "text?": { good: ["x", null, undefined], bad: [[1, "expected a text"]] },
  "behavior?": {
    good: ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous", null],
    bad: [
      ["removed", 'expected "Removed" or'],
      [1, 'expected "Removed" or'],
    ],
  },
  "scheme?": { good: ["always", "first", "never", null], bad: [["last", 'expected "always" or "first" or "never"']] },
  "boolean?": { good: [true, false, null], bad: [[0, "expected true or false"]] },
  "count?": {
    good: [0, 1, null],
    bad: [
      [-1, "expected a whole number of at least 0"],
      [0.5, "expected a whole"],
    ],
  },
  length: {
    good: [1, 7],
    bad: [
      [0, "expected a whole number of at least 1"],
      [null, "is missing"],
    ],
  },
  pattern: {
    good: [{ String: "" }, { Regex: "a+" }],
    bad: [
      [null, 'expected {"String": ...} or {"Regex": ...}'],
      [{}, "String is undefined; expected a text"],
      [{ String: 1 }, "String is 1; expected a text"],
      [{ Regex: 1 }, "Regex is 1; expected a text"],
      [{ Regex: "(a*)*" }, "matched in bounded time"],
    ],
  },
  token: {
    good: [["</s>", 0]],
    bad: [
      [["</s>"], "expected a token and its id"],
      [[0, 0], "expected a token and its id"],
      [["</s>", -1], "expected a token and its id"],
      [null, "expected a list"],
    ],
  },
  "templateIds?": {
    good: [null, {}, { "<s>": { ids: [0, 2] } }, { "<s>": { ids: [] } }],
    bad: [
      [{ "<s>": {} }, 'expected a list of ids for "<s>"'],
      [{ "<s>": null }, 'expected a list of ids for "<s>"'],
      [{ "<s>": { ids: [0.5] } }, 'expected a list of ids for "<s>"'],
    ],
  },
  template: {
    good: [[], [{ SpecialToken: { id: "<s>" } }, { Sequence: { id: "A" } }]],
    bad: [
      [null, "expected a list"],
      [[{}], "[0]: expected a SpecialToken or a Sequence"],
      [[{ Sequence: { id: 1 } }], "[0]: Sequence: id is 1; expected a text"],
      [[{ Sequence: { id: "B" } }], 'the template "single" names a second text, "B"'],
      [Array(1001).fill({ Sequence: { id: "A" } }), "has 1001 pieces, more than 1000"],
    ],
  },
  "template?": {
    good: [null, [{ Sequence: { id: "B" } }], Array(1000).fill({ Sequence: { id: "A" } })],
    bad: [
      [[{}], "[0]: expected a SpecialToken or a Sequence"],
      [3, "expected a list"],
    ],
  },
};

const parts = Object.entries(tokenizerParts).flatMap(([section, known]) =>
  Object.entries(known).map(([type, fields]) => [section, type, fields] as const),
);

/** Returns a valid value for each required field of a part. */
const needed = (fields: Readonly<Record<string, ValueKind | "parts">>) =>
  Object.fromEntries(Object.entries(fields).map(([key, kind]) => [key, kind === "parts" ? [] : values[kind].good[0]]));

test.each(parts)("fields of the %s %s", (section, type, fields) => {
  const part = (more: object) => check({ [section]: { type, ...needed(fields), ...more } });
  expect(part({})).not.toThrow();
  for (const [key, kind] of Object.entries(fields)) {
    const { good, bad } = kind === "parts" ? { good: [[]], bad: [[3, "expected a list"] as const] } : values[kind];
    for (const value of good) expect(part({ [key]: value }), JSON.stringify(value)).not.toThrow();
    for (const [value, message] of bad) expect(part({ [key]: value }), JSON.stringify(value)).toThrow(message);
  }
});

test("sequences have at most 100 parts, and are at most 20 deep", () => {
  const sequence = (decoders: unknown[]) => ({ type: "Sequence", decoders });
  const decoder = (json: unknown) => check({ decoder: json });
  expect(decoder(sequence(Array(100).fill({ type: "Fuse" })))).not.toThrow();
  expect(decoder(sequence(Array(101).fill({ type: "Fuse" })))).toThrow("decoders has 101 parts");
  const nested = (depth: number): object => (depth === 0 ? { type: "Fuse" } : sequence([nested(depth - 1)]));
  expect(decoder(nested(20))).not.toThrow();
  expect(decoder(nested(21))).toThrow("its Sequence parts are nested more than 20 deep");
  expect(decoder(sequence([{ type: "Fuse" }, { type: "NFC" }]))).toThrow('decoders: 1: type is "NFC"');
  expect(decoder(sequence([{ type: "Fuse" }, null]))).toThrow("decoders: 1 is null; expected a part");
});

test("a section is null or a part, and is not left out", () => {
  for (const section of Object.keys(tokenizerParts)) {
    expect(check({ [section]: undefined })).toThrow(`${section} is missing; set it to null if the tokenizer has none`);
    expect(check({ [section]: 3 })).toThrow(`${section}: expected a JSON object, found 3`);
    expect(check({ [section]: {} })).toThrow("type is missing");
  }
});

test("fields of tokenizer_config.json that are read", () => {
  const config = (json: unknown) => () => checkTokenizerConfig(json, "c");
  for (const json of [{}, { additional_special_tokens: ["a"] }, { additional_special_tokens: { a: "b" } }]) {
    expect(config(json)).not.toThrow();
  }
  expect(config({ additional_special_tokens: "a" })).toThrow('additional_special_tokens is "a"; expected a list');
  expect(config({ clean_up_tokenization_spaces: true })).not.toThrow();
  expect(config({ clean_up_tokenization_spaces: null })).not.toThrow();
  expect(config({ clean_up_tokenization_spaces: 1 })).toThrow("clean_up_tokenization_spaces is 1; expected true");
});
