import { bytesSource } from "@lowrank/core";
import { describe, expect, test } from "vitest";
import { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { readGguf } from "../readGguf.ts";
import { ggufBytes } from "../testing/ggufBytes.ts";
import { ggufTokenizer } from "./ggufTokenizer.ts";
import { preTokenizers } from "./preTokenizers.ts";
import { type TokenizerJson, tokenizerMetadata } from "./tokenizerMetadata.ts";

const ids = { bos: 1, eos: 2, unk: 0, pad: null };
const added = ["<unk>", "<s>", "</s>"].map((content, id) => ({ id, content, special: true }));
const template = (...pieces: string[]) => ({
  type: "TemplateProcessing",
  single: pieces.map((id) => (id === "A" ? { Sequence: { id } } : { SpecialToken: { id } })),
  special_tokens: Object.fromEntries(added.map(({ id, content }) => [content, { ids: [id] }])),
});

const byteLevel: TokenizerJson = {
  added_tokens: [...added, { id: 7, content: "<tool>", special: false }],
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
  post_processor: null,
  model: {
    type: "BPE",
    vocab: { "<unk>": 0, "<s>": 1, "</s>": 2, a: 3, Ġ: 4, "1": 5, aa: 6 },
    merges: [["a", "a"]],
  },
};
const sentencePiece: TokenizerJson = {
  added_tokens: added,
  normalizer: {
    type: "Sequence",
    normalizers: [
      { type: "Prepend", prepend: "▁" },
      { type: "Replace", pattern: { String: " " }, content: "▁" },
    ],
  },
  pre_tokenizer: null,
  post_processor: template("<s>", "A"),
  model: {
    type: "BPE",
    unk_token: "<unk>",
    byte_fallback: true,
    vocab: { "<unk>": 0, "<s>": 1, "</s>": 2, "<0x0A>": 3, "▁": 4, a: 5, "▁a": 6 },
    merges: ["▁ a"],
  },
};

const written = (json: TokenizerJson, vocabSize = 8) => {
  const { metadata, differs } = tokenizerMetadata(json, ids, vocabSize, "x");
  return { differs, ...Object.fromEntries(Array.from(metadata, ([key, { value }]) => [key, value])) };
};

test("byte-level BPE: tokens, kinds, merges, special ids", () => {
  expect(written(byteLevel, 10)).toEqual({
    differs: undefined,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "a", "Ġ", "1", "aa", "<tool>", "[PAD8]", "[PAD9]"],
    "tokenizer.ggml.merges": ["a a"],
    "tokenizer.ggml.token_type": [3, 3, 3, 1, 1, 1, 1, 4, 5, 5],
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.unknown_token_id": 0,
    "tokenizer.ggml.add_bos_token": false,
    "tokenizer.ggml.add_eos_token": false,
  });
});

test("SentencePiece: scores instead of merges, bytes, the space in front", () => {
  expect(written(sentencePiece, 7)).toEqual({
    differs: undefined,
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.pre": "default",
    "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "<0x0A>", "▁", "a", "▁a"],
    "tokenizer.ggml.scores": [-1, -1, -1, -1, -1, -1, 0],
    "tokenizer.ggml.add_space_prefix": true,
    "tokenizer.ggml.token_type": [2, 3, 3, 6, 1, 1, 1],
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.unknown_token_id": 0,
    "tokenizer.ggml.add_bos_token": true,
    "tokenizer.ggml.add_eos_token": false,
  });
});

test.each([
  [{ type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: false }, true],
  [{ type: "Metaspace", replacement: "▁", prepend_scheme: "never", split: false }, false],
  [{ type: "Metaspace", replacement: "▁", add_prefix_space: false }, false],
])("SentencePiece's spaces by %j", (preTokenizer, prefix) => {
  const entries = written({ ...sentencePiece, normalizer: null, pre_tokenizer: preTokenizer });
  expect(entries).toMatchObject({ differs: undefined, "tokenizer.ggml.add_space_prefix": prefix });
});

describe("pre-tokenizers have llama.cpp's names", () => {
  test.each(["gpt-2", "smollm", "llama-bpe", "qwen2"])("%s", (name) => {
    const { json, ignoreMerges } = preTokenizers[name];
    const model = { ...byteLevel.model, ignore_merges: ignoreMerges };
    const entries = written({ ...byteLevel, pre_tokenizer: json as never, model });
    expect(entries).toMatchObject({ differs: undefined, "tokenizer.ggml.pre": name });
  });

  test("Llama 3's, as its own tokenizer.json writes it", () => {
    const pattern =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    const split = { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
    const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
    const entries = written({
      ...byteLevel,
      pre_tokenizer: { type: "Sequence", pretokenizers: [split, bytes] },
      post_processor: { type: "Sequence", processors: [{ type: "ByteLevel" }, template("<s>", "A")] },
      model: { ...byteLevel.model, ignore_merges: true },
    });
    expect(entries).toMatchObject({
      differs: undefined,
      "tokenizer.ggml.pre": "llama-bpe",
      "tokenizer.ggml.add_bos_token": true,
    });
  });
});

describe("a tokenizer that the keys cannot express is kept whole", () => {
  test.each<[string, TokenizerJson, string]>([
    ["a split without a name", { ...byteLevel, pre_tokenizer: { type: "Whitespace" } }, "does not support"],
    ["a normalizer", { ...byteLevel, normalizer: { type: "NFC" } }, "llama.cpp has no NFC normalizer"],
    ["ignore_merges", { ...byteLevel, model: { ...byteLevel.model, ignore_merges: true } }, "ignore_merges"],
    ["other tokens around", { ...byteLevel, post_processor: template("<unk>", "A") }, "adds other tokens"],
    ["a post-processor", { ...byteLevel, post_processor: { type: "BertProcessing" } }, "BertProcessing"],
    ["a lowercase SentencePiece", { ...sentencePiece, normalizer: { type: "Lowercase" } }, "are not Sent"],
    [
      "merges without a pair",
      { ...sentencePiece, model: { ...sentencePiece.model, merges: [] } },
      "its merges cannot be expressed by SentencePiece's scores",
    ],
  ])("%s", (_, json, reason) => {
    const entries = written(json);
    expect(entries.differs).toContain(reason);
    expect(JSON.parse((entries as Record<string, unknown>)["tokenizer.huggingface.json"] as string)).toEqual(json);
  });

  test("and read back as it was", async () => {
    const json = {
      ...byteLevel,
      pre_tokenizer: { type: "Digits", individual_digits: true },
      decoder: { type: "Fuse" },
    };
    const { metadata } = tokenizerMetadata(json, ids, 8, "x");
    const source = bytesSource(await ggufBytes({ metadata, tensors: [] }));
    const parts = ggufTokenizer(await readGguf(source, "x.gguf"), "x.gguf")!;
    expect(parts.tokenizerJson).toEqual(json);
    expect(new Tokenizer(parts).encode("a1aa")).toEqual([3, 5, 6]);
  });

  test("unless that text is broken", async () => {
    const { metadata } = tokenizerMetadata(byteLevel, ids, 8, "x");
    metadata.set("tokenizer.huggingface.json", { type: "string", value: "{" });
    const header = await readGguf(bytesSource(await ggufBytes({ metadata, tensors: [] })), "x.gguf");
    expect(() => ggufTokenizer(header, "x.gguf")).toThrow("x.gguf: tokenizer.huggingface.json is not valid JSON");
  });
});

describe("refuses", () => {
  test("another kind of tokenizer", () => {
    const json = { ...byteLevel, model: { type: "Unigram", vocab: {} } };
    expect(() => written(json)).toThrow("tokenizer.json of x is of type Unigram; only BPE can be written");
  });

  test("ids that the model does not have", () => {
    expect(() => written(byteLevel, 7)).toThrow('"<tool>" has the id 7; the model has ids from 0 to 6');
  });
});
