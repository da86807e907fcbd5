import { describe, expect, test } from "vitest";
import { Tokenizer } from "./tokenizer.ts";

const letters = ["<unk>", ..."abfor xX.▁", "▁▁", "\n"];

/** Returns a tokenizer of letters whose added tokens have the ids 100, 101, ... */
function make(added: readonly { content: string }[], parts: object = {}): Tokenizer {
  const added_tokens = added.map((token, i) => ({ id: 100 + i, special: false, normalized: false, ...token }));
  const vocab = Object.fromEntries(letters.map((token, id) => [token, id]));
  const model = { type: "BPE", vocab, merges: [], unk_token: "<unk>" };
  const none = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
  return new Tokenizer({ tokenizerJson: { added_tokens, model, ...none, ...parts } });
}
const lowercase = { normalizer: { type: "Lowercase" } };
const metaspace = (prepend_scheme: string) => ({ type: "Metaspace", replacement: "▁", prepend_scheme, split: true });
const first = { pre_tokenizer: metaspace("first") };

// The expected ids and texts come from Python's tokenizers 0.23.3.
describe("added tokens", () => {
  const word = make([{ content: "foo", single_word: true } as { content: string }]);
  test.each([
    ["foobar", [3, 4, 4, 2, 1, 5]],
    ["foo", [100]],
    ["a foo.", [1, 6, 100, 9]],
    ["foo_", [3, 4, 4, 0]],
    ["xfoo", [7, 3, 4, 4]],
    ["foo\u0301", [3, 4, 4, 0]],
    ["foofoo", [3, 4, 4, 3, 4, 4]],
  ])("single_word in %j", (text, ids) => expect(word.encode(text)).toEqual(ids));

  const strip = make([{ content: "<m>", lstrip: true, rstrip: true } as { content: string }]);
  test.each([
    ["a\u0085<m>\u0085b", [1, 100, 2]],
    ["a\ufeff<m>\ufeffb", [1, 0, 100, 0, 2]],
    ["a \n<m> \u3000b", [1, 100, 2]],
  ])("lstrip and rstrip take what Unicode calls white space in %j", (text, ids) => {
    expect(strip.encode(text)).toEqual(ids);
  });

  test("a token within another token's stripped white space still matches, unless it strips white space too", () => {
    const token = { content: "\n", rstrip: true };
    expect(make([token]).encode("a\n\nb")).toEqual([1, 100, 100, 2]);
    expect(make([{ ...token, lstrip: true } as { content: string }]).encode("a\n\nb")).toEqual([1, 100, 2]);
  });

  test("a normalized token matches the normalized text and decodes to it", () => {
    const tokenizer = make([{ content: "Foo", normalized: true } as { content: string }, { content: "XX" }], lowercase);
    expect(tokenizer.encode("foo FOO xx XX")).toEqual([100, 6, 100, 6, 7, 7, 6, 101]);
    expect(tokenizer.decode([100])).toBe("foo");
  });

  test("a token of the plain text goes before a longer normalized one", () => {
    const tokenizer = make([{ content: "fo" }, { content: "foo", normalized: true } as { content: string }]);
    expect(tokenizer.encode("foo")).toEqual([100, 4]);
  });

  const begun = make([{ content: "foo", normalized: true } as { content: string }], { ...lowercase, ...first });
  test.each([
    ["foo a", [100, 10, 1]],
    ["a foo a", [10, 1, 10, 100, 10, 1]],
    [" a", [10, 1]],
  ])("prepend_scheme first in %j", (text, ids) => expect(begun.encode(text)).toEqual(ids));

  test("prepend_scheme first adds nothing if the normalizer has removed the start of the text", () => {
    const normalizer = { type: "Strip", strip_left: true, strip_right: false };
    expect(make([], { normalizer, ...first }).encode("  a")).toEqual([1]);
    expect(make([], { normalizer, ...first }).encode("a")).toEqual([10, 1]);
  });

  test("a decoder drops the spaces of the first token alone", () => {
    const parts = { pre_tokenizer: metaspace("always"), decoder: metaspace("always") };
    const tokenizer = make([{ content: "<m>", lstrip: true, special: true } as { content: string }], parts);
    expect(tokenizer.encode("a <m> b")).toEqual([10, 1, 100, 10, 2]);
    expect(tokenizer.decode([10, 1, 10, 100, 10, 2])).toBe("a <m> b");
    expect(tokenizer.decode([10, 1, 100, 10, 2], { skipSpecialTokens: true })).toBe("a b");
    expect(tokenizer.decode([11, 1])).toBe("a");
    expect(make([], { decoder: metaspace("never") }).decode([11, 1])).toBe("  a");
  });
});

describe("templates", () => {
  const single = [{ SpecialToken: { id: "[NONE]", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }];
  const template = { type: "TemplateProcessing", single, pair: [] };

  test("a special token that the vocabulary lacks has the template's id", () => {
    const special_tokens = { "[NONE]": { id: "[NONE]", ids: [7], tokens: ["[NONE]"] } };
    const tokenizer = make([], { post_processor: { ...template, special_tokens } });
    expect(tokenizer.encode("a")).toEqual([7, 1]);
    expect(tokenizer.encode("a", { addSpecialTokens: false })).toEqual([1]);
  });

  test("invalid ids in a template are refused", async () => {
    const special_tokens = { "[NONE]": { id: "[NONE]", ids: [2 ** 31], tokens: ["[NONE]"] } };
    const parts = { normalizer: null, pre_tokenizer: null, decoder: null, added_tokens: [] };
    const tokenizerJson = {
      ...parts,
      post_processor: { ...template, special_tokens },
      model: { type: "BPE", vocab: { a: 0 }, merges: [] },
    };
    await expect(Tokenizer.fromParts({ tokenizerJson })).rejects.toThrow('a list of ids for "[NONE]"');
  });

  test("a special token without an id throws an error with its name", () => {
    expect(() => make([], { post_processor: template })).toThrow('post_processor names "[NONE]"');
  });
});

describe("BERT's parts go by code point", () => {
  const normalizer = {
    type: "BertNormalizer",
    ...{ clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
  };
  const words = (text: string, parts: object) => {
    const vocab = Object.fromEntries([..."ab𠀀σαe𐄀cd", "𫠠", "c⹏d", "ασ"].map((token, id) => [token, id]));
    const tokenizer = make([], { model: { type: "WordLevel", vocab, unk_token: "b" }, ...parts });
    return tokenizer.decode(tokenizer.encode(text));
  };
  test.each([
    ["a𠀀b", "a 𠀀 b"],
    ["\u{1d185}a", "a"],
    ["ΑΣ", "ασ"],
    ["a\u{e0001}", "a"],
  ])("normalizer, %j", (text, expected) => {
    expect(words(text, { normalizer, pre_tokenizer: { type: "WhitespaceSplit" } })).toBe(expected);
  });

  test("punctuation beyond U+FFFF is split off, and punctuation that the Rust tables lack is not", () => {
    expect(words("a\u0085b𐄀c⹏d", { pre_tokenizer: { type: "BertPreTokenizer" } })).toBe("a b 𐄀 c⹏d");
  });
});
