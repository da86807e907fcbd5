import { bytesSource } from "@lowrank/core";
import { expect, test } from "vitest";
import { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { readGguf } from "../readGguf.ts";
import { ggufBytes } from "../testing/ggufBytes.ts";
import { ggufTokenizer } from "./ggufTokenizer.ts";
import { type TokenizerJson, tokenizerMetadata } from "./tokenizerMetadata.ts";

const special = ["<pad>", "<eos>", "<bos>", "<unk>"];
const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`);
const merges: [string, string][] = [
  ["\n\n", "\n"],
  ["\n", "\n"],
  ["▁", "▁"],
  ["a", "b"],
  ["▁", "ab"],
  ["ab", "c"],
];
const tokens = [...special, ...bytes, ..."\n▁abc", ...merges.map((pair) => pair.join(""))];

/** A tokenizer.json like Gemma 4's. */
const json = {
  added_tokens: special.map((content, id) => ({ id, content, special: true })),
  normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
  pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false },
  post_processor: {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: "<bos>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
    special_tokens: { "<bos>": { id: "<bos>", ids: [2], tokens: ["<bos>"] } },
  },
  decoder: {
    type: "Sequence",
    decoders: [{ type: "Replace", pattern: { String: "▁" }, content: " " }, { type: "ByteFallback" }, { type: "Fuse" }],
  },
  model: {
    type: "BPE",
    unk_token: "<unk>",
    byte_fallback: true,
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges,
  },
} satisfies TokenizerJson & { decoder: object };
const ids = { bos: 2, eos: 1, unk: 3, pad: 0 };
const written = (one: TokenizerJson) => tokenizerMetadata(one, ids, tokens.length + 1, "x", "gemma4");

test("a tokenizer of merged letters is written with its merges, and read back", async () => {
  const { metadata, differs } = written(json);
  expect(differs).toBeUndefined();
  const value = (key: string) => metadata.get(`tokenizer.ggml.${key}`)?.value;
  expect(value("model")).toBe("gemma4");
  expect(value("merges")).toEqual(["\n\n \n", "\n \n", "▁ ▁", "a b", "▁ ab", "ab c"]);
  expect([value("pre"), value("scores"), value("add_space_prefix"), value("add_bos_token")]).toEqual([
    undefined,
    undefined,
    false,
    true,
  ]);
  const types = value("token_type") as number[];
  expect([types[0], types[3], types[4], types[260], types.at(-1)]).toEqual([3, 2, 6, 1, 5]);
  const source = bytesSource(await ggufBytes({ metadata, tensors: [] }));
  const read = new Tokenizer(ggufTokenizer(await readGguf(source, "x.gguf"), "x.gguf")!);
  const whole = new Tokenizer({ tokenizerJson: json, tokenizerConfig: { bos_token: "<bos>" } });
  for (const text of ["ab abc", "  a b\n\n\n\nabc", "é 😀\n", "", "<eos>ab"]) {
    expect(read.encode(text)).toEqual(whole.encode(text));
    expect(read.decode(read.encode(text), { skipSpecialTokens: true })).toBe(text.replace("<eos>", ""));
  }
  expect(read.encode("ab\n\n\nabc").map((id) => tokens[id])).toEqual(["<bos>", "ab", "\n\n\n", "abc"]);
});

test("runs of newlines may be merged in halves", () => {
  const halves = merges.toSpliced(0, 2, ["\n", "\n"], ["\n\n", "\n\n"]);
  const vocab = [...special, ...bytes, ..."\n▁abc", ...halves.map((pair) => pair.join(""))];
  const model = { ...json.model, merges: halves, vocab: Object.fromEntries(vocab.map((token, id) => [token, id])) };
  expect(written({ ...json, model }).differs).toBeUndefined();
});

const model = (change: object) => ({ ...json, model: { ...json.model, ...change } });

test.each<[string, TokenizerJson, string]>([
  ["a space in front", { ...json, normalizer: { type: "Prepend", prepend: "▁" } }, "are not Gemma 4's"],
  ["another mark", { ...json, normalizer: { ...json.normalizer, content: "_" } }, "are not Gemma 4's"],
  [
    "a mark for letters",
    { ...json, normalizer: { ...json.normalizer, pattern: { String: "a" } } },
    "are not Gemma 4's",
  ],
  ["a mark that is not set", { ...json, normalizer: { ...json.normalizer, type: "Other" } }, "are not Gemma 4's"],
  ["another split", { ...json, pre_tokenizer: { type: "Whitespace" } }, "are not Gemma 4's"],
  ["ignore_merges", model({ ignore_merges: true }), "its ignore_merges is not llama.cpp's"],
  ["newlines in words", model({ merges: [...merges, ["a", "\n"]] }), "it merges newlines with other letters"],
  [
    "runs of newlines without merges",
    model({ merges: merges.toSpliced(0, 1, ["\n", "\n\n"]) }),
    "one token of every run of newlines",
  ],
])("%s: the tokenizer is kept whole", (_, one, reason) => {
  const { metadata, differs } = written(one);
  expect(differs).toContain(reason);
  expect(JSON.parse(metadata.get("tokenizer.huggingface.json")?.value as string)).toEqual(one);
});
