import { describe, expect, test } from "vitest";
import { type SpecialTokenIds, type TokenizerJson, tokenizerMetadata } from "./tokenizer/tokenizerMetadata.ts";

const noIds = { bos: null, eos: null, unk: null, pad: null };
const model = { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"] };
const split = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
const write = (json: Partial<TokenizerJson> = {}, ids: Partial<SpecialTokenIds> = {}, vocabSize = 5) =>
  tokenizerMetadata({ model, pre_tokenizer: split, ...json }, { ...noIds, ...ids }, vocabSize, "mine");
const value = (made: ReturnType<typeof write>, key: string) => made.metadata.get(`tokenizer.ggml.${key}`)?.value;

test("only byte-pair merges are written", () => {
  expect(() => write({ model: { ...model, type: "Unigram" } })).toThrow("is of type Unigram; only BPE");
  expect(() => write({ model: { ...model, merges: undefined } })).toThrow("only BPE");
  expect(value(write({ model: { ...model, type: undefined } }), "model")).toBe("gpt2");
  expect(value(write({ model: { ...model, merges: [["a", "b"]] } }), "merges")).toEqual(["a b"]);
});

test("ids are from 0 to the last row of the embedding", () => {
  const at = (id: number) => write({ model: { ...model, vocab: { a: id }, merges: [] } });
  expect(value(at(4), "tokens")).toEqual(["[PAD0]", "[PAD1]", "[PAD2]", "[PAD3]", "a"]);
  expect(value(at(0), "tokens")).toEqual(["a", "[PAD1]", "[PAD2]", "[PAD3]", "[PAD4]"]);
  for (const id of [-1, 5, 0.5]) {
    expect(() => at(id)).toThrow(`"a" has the id ${id}; the model has ids from 0 to 4`);
  }
});

test("kinds of tokens are llama.cpp's", () => {
  const added_tokens = [
    { id: 3, content: "<s>", special: true },
    { id: 4, content: "<tool>", special: false },
  ];
  expect(value(write({ added_tokens }, {}, 6), "token_type")).toEqual([1, 1, 1, 3, 4, 5]);
  expect(value(write({ model: { ...model, unk_token: "a" } }), "token_type")).toEqual([2, 1, 1, 5, 5]);
  expect(value(write({ model: { ...model, unk_token: "none" } }), "token_type")).toEqual([1, 1, 1, 5, 5]);
  const bytes = { ...model, vocab: { "<0x0A>": 0, "<0x0a>": 1, a: 2, b: 3, ab: 4 } };
  expect(value(write({ model: { ...bytes, byte_fallback: true } }), "token_type")).toEqual([6, 1, 1, 1, 1]);
  expect(value(write({ model: bytes }), "token_type")).toEqual([1, 1, 1, 1, 1]);
});

test("ids of special tokens are written if there are any, 0 too", () => {
  const made = write({}, { bos: 0, eos: 1, unk: 2, pad: 3 });
  expect(["bos", "eos", "unknown", "padding"].map((name) => value(made, `${name}_token_id`))).toEqual([0, 1, 2, 3]);
  expect(value(write(), "bos_token_id")).toBeUndefined();
});

describe("post-processors", () => {
  const piece = (token: string) => (token === "A" ? { Sequence: { id: "A" } } : { SpecialToken: { id: token } });
  const template = (...tokens: string[]) => ({
    type: "TemplateProcessing",
    single: tokens.map(piece),
    special_tokens: { s: { ids: [3] }, e: { ids: [4] }, two: { ids: [3, 4] } },
  });
  const read = (
    post_processor: TokenizerJson["post_processor"],
    ids: Partial<SpecialTokenIds> = { bos: 3, eos: 4 },
  ) => {
    const made = write({ post_processor }, ids);
    return [value(made, "add_bos_token"), value(made, "add_eos_token"), made.differs];
  };
  const other = "its post-processor adds other tokens";
  test.each<[string[], Partial<SpecialTokenIds>, boolean, boolean, string | undefined]>([
    [["A"], {}, false, false, undefined],
    [["s", "A"], {}, true, false, undefined],
    [["A", "e"], {}, false, true, undefined],
    [["s", "A", "e"], {}, true, true, undefined],
    [["s", "A", "e"], { bos: null }, false, true, other],
    [["s", "A", "e"], { eos: null }, true, false, other],
    [["e", "A"], {}, false, false, other],
    [["two", "A"], {}, false, false, other],
    [["s"], { eos: 3 }, true, false, other],
    [["s", "s", "A"], {}, true, false, other],
    [["A", "s"], { eos: 3 }, false, true, undefined],
  ])("%j", (tokens, ids, bos, eos, differs) => {
    expect(read(template(...tokens), { bos: 3, eos: 4, ...ids })).toEqual([bos, eos, differs]);
  });

  test("a sequence of a template and ByteLevel is a template", () => {
    expect(read({ type: "Sequence", processors: [{ type: "ByteLevel" }, template("s", "A")] })).toEqual([
      true,
      false,
      undefined,
    ]);
    expect(read({ type: "ByteLevel" })).toEqual([false, false, undefined]);
    expect(read(null)).toEqual([false, false, undefined]);
    expect(read({ type: "BertProcessing" })[2]).toBe("its post-processor is BertProcessing");
  });
});

describe("spaces of SentencePiece", () => {
  const spm = (json: object) => {
    const vocab = { a: 0, b: 1, ab: 2 };
    const made = write({ pre_tokenizer: null, ...json, model: { ...model, vocab, byte_fallback: true } });
    return [value(made, "add_space_prefix"), made.differs];
  };
  const prepend = { type: "Prepend", prepend: "▁" };
  const replace = { type: "Replace", pattern: { String: " " }, content: "▁" };
  const sequence = (...normalizers: object[]) => ({ normalizer: { type: "Sequence", normalizers } });
  const unlike = "its normalizer and pre-tokenizer are not SentencePiece's";
  const metaspace = { type: "Metaspace", replacement: "▁" };
  test.each<[object, boolean, string | undefined]>([
    [sequence(prepend, replace), true, undefined],
    [sequence(replace), false, undefined],
    [{ normalizer: replace }, false, undefined],
    [{ normalizer: prepend }, true, unlike],
    [sequence({ ...prepend, prepend: "x" }, replace), true, unlike],
    [sequence({ type: "Lowercase", prepend: "▁" }, replace), true, unlike],
    [sequence(prepend, { ...replace, content: "x" }), true, unlike],
    [sequence(prepend, { ...replace, pattern: { String: "x" } }), true, unlike],
    [sequence(prepend, { ...replace, type: "Lowercase" }), true, unlike],
    [sequence(prepend, replace, replace), true, unlike],
    [{ ...sequence(prepend, replace), pre_tokenizer: metaspace }, true, unlike],
    [{ pre_tokenizer: { ...metaspace, prepend_scheme: "always", split: false } }, true, undefined],
    [{ pre_tokenizer: { ...metaspace, prepend_scheme: "first", split: false } }, true, undefined],
    [{ pre_tokenizer: { ...metaspace, prepend_scheme: "never", split: false } }, false, undefined],
    [{ pre_tokenizer: { ...metaspace, add_prefix_space: false } }, false, undefined],
    [{ pre_tokenizer: { ...metaspace, add_prefix_space: true } }, true, undefined],
    [{ pre_tokenizer: { ...metaspace, split: true } }, true, unlike],
    [{}, true, unlike],
  ])("%j", (json, prefix, differs) => expect(spm(json)).toEqual([prefix, differs]));
});

test("a split is known without the order of its fields, offsets and defaults", () => {
  const pre = (pre_tokenizer: TokenizerJson["pre_tokenizer"]) => value(write({ pre_tokenizer }), "pre");
  expect(pre(split)).toBe("gpt-2");
  expect(pre({ use_regex: true, add_prefix_space: false, type: "ByteLevel" })).toBe("gpt-2");
  expect(pre({ type: "ByteLevel", add_prefix_space: false })).toBe("gpt-2");
  expect(pre({ ...split, trim_offsets: false })).toBe("gpt-2");
  expect(pre({ ...split, use_regex: false })).toBe("default");
  expect(pre({ ...split, add_prefix_space: true })).toBe("default");
  expect(write({ normalizer: { type: "NFC" } }).differs).toBe("llama.cpp has no NFC normalizer");
  expect(write({ model: { ...model, ignore_merges: true } }).differs).toBe("its ignore_merges is not llama.cpp's");
  expect(write().differs).toBeUndefined();
});
