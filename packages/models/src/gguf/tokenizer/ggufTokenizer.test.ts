import { describe, expect, test } from "vitest";
import { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { ggufTokenizer } from "./ggufTokenizer.ts";

function partsOf(metadata: Record<string, unknown>) {
  const entries = Object.entries(metadata).map(([key, value]): [string, { type: string; value: unknown }] => [
    key.startsWith("tokenizer.") ? key : `tokenizer.ggml.${key}`,
    { type: "", value },
  ]);
  return ggufTokenizer({ version: 3, metadata: new Map(entries), tensors: new Map() }, "x.gguf");
}

function tokenizerOf(metadata: Record<string, unknown>): Tokenizer {
  const { tokenizerJson, tokenizerConfig } = partsOf(metadata)!;
  const { chat_template: chatTemplate } = tokenizerConfig as { chat_template?: string };
  return new Tokenizer({ tokenizerJson, tokenizerConfig, chatTemplate, label: "x.gguf" });
}

/** GPT-2's visible characters for bytes. */
function byteCharacters(): string[] {
  const visible = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(visible(b) ? b : next++));
}

/** A byte-level vocabulary in which the listed pairs of neighbours merge. */
function byteLevel(pre: string | undefined, merges: string[], more: string[] = [], types: number[] = []) {
  const tokens = [...byteCharacters(), ...merges.map((pair) => pair.replace(" ", "")), ...more];
  const kinds = tokens.map((_, id) => types[id - tokens.length + types.length] ?? 1);
  return { model: "gpt2", ...(pre && { pre }), tokens, merges, token_type: kinds };
}

const space = "Ġ";

describe("byte-level BPE", () => {
  // Each pair merges unless the pre-tokenizer splits between its two parts, so separate tokens show the splits.
  const pairs = [
    "1 2",
    "12 3",
    "123 4",
    `${space} 1`,
    `${space} ${space}`,
    "a 1",
    "Ċ Ċ",
    "' s",
    "' S",
    ". a",
    ". .",
    "Ċ a",
    ". 1",
  ];
  const pieces = (pre: string | undefined, text: string) => {
    const metadata = byteLevel(pre, pairs);
    return tokenizerOf(metadata)
      .encode(text)
      .map((id) => metadata.tokens[id].replaceAll(space, "_").replaceAll("Ċ", "/"));
  };

  test.each([
    ["gpt-2", ["1234", "_1", "a", "1"]],
    ["smollm", ["1", "2", "3", "4", "_", "1", "a", "1"]],
    ["llama-bpe", ["123", "4", "_", "1", "a", "1"]],
    ["qwen2", ["1", "2", "3", "4", "_", "1", "a", "1"]],
    ["default", ["123", "4", "_", "1", "a", "1"]],
  ])("%s: digits", (pre, expected) => {
    expect(pieces(pre, "1234 1a1")).toEqual(expected);
  });

  test.each([
    ["gpt-2", ["'s", "'", "S", ".", "a", "..", "1"]],
    ["smollm", ["'s", "'", "S", ".", "a", "..", "1"]],
    ["llama-bpe", ["'s", "'S", ".a", "..", "1"]],
    ["qwen2", ["'s", "'S", ".a", "..", "1"]],
    ["default", ["'", "s", "'", "S", ".", "a", "..", "1"]],
  ])("%s: contractions and punctuation", (pre, expected) => {
    expect(pieces(pre, "'s'S.a..1")).toEqual(expected);
  });

  test("white space before a digit or the end", () => {
    expect(pieces("gpt-2", "   1//\n\n")).toEqual(["__", "_1", "/", "/", "//"]);
    expect(pieces("smollm", "   1\n\n")).toEqual(["__", "_", "1", "//"]);
    expect(pieces("llama-bpe", "   1\n\na")).toEqual(["__", "_", "1", "//", "a"]);
    expect(pieces("default", "\n\n1")).toEqual(["/", "/", "1"]);
  });

  test("U+0085 is white space and U+FEFF is not, whatever the pre-tokenizer", () => {
    for (const pre of ["gpt-2", "smollm", "llama-bpe", "qwen2", "default"]) {
      const metadata = byteLevel(pre, ["Â ħ", "Âħ !", "ï »", "ï» ¿", "ï»¿ `"]);
      const tokens = (text: string) =>
        tokenizerOf(metadata)
          .encode(text)
          .map((id) => metadata.tokens[id]);
      expect(tokens("a\u0085!")).toEqual(["a", "Âħ", "!"]);
      expect(tokens("1\uFEFF`")).toEqual(["1", "ï»¿`"]);
    }
  });

  test("without a name, llama.cpp's default; an unknown name is an error", () => {
    expect(pieces(undefined, "'s1234")).toEqual(pieces("default", "'s1234"));
    expect(() => pieces("deepseek-v9", "a")).toThrow(
      'x.gguf: tokenizer.ggml.pre is "deepseek-v9"; expected "default" or',
    );
  });

  test("Llama 3 begins with BOS and takes whole tokens first; the file may say otherwise", () => {
    const metadata = byteLevel("llama-bpe", ["a b"], ["abc", "<s>", "</s>"], [1, 3, 3]);
    const ids = { "tokenizer.ggml.bos_token_id": 258, "tokenizer.ggml.eos_token_id": 259 };
    const names = (more: object) => {
      const all = { ...metadata, ...ids, ...more };
      return tokenizerOf(all)
        .encode("abc")
        .map((id) => all.tokens[id]);
    };
    expect(names({})).toEqual(["<s>", "abc"]);
    expect(names({ add_bos_token: false })).toEqual(["abc"]);
    expect(names({ add_eos_token: true })).toEqual(["<s>", "abc", "</s>"]);
    expect(names({ pre: "qwen2" })).toEqual(["ab", "c"]);
    expect(tokenizerOf({ ...metadata, ...ids }).encode("abc", { addSpecialTokens: false })).toEqual([257]);
  });

  test("special tokens, tokens of the user, and a chat template", async () => {
    const more = ["<|end|>", "<unk>", "[mine]"];
    const metadata = {
      ...byteLevel("gpt-2", [], more, [3, 2, 4]),
      "tokenizer.ggml.eos_token_id": 256,
      "tokenizer.ggml.unknown_token_id": 257,
      "tokenizer.ggml.padding_token_id": 256,
      "tokenizer.chat_template": "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}",
    };
    const tokenizer = tokenizerOf(metadata);
    expect(tokenizer).toMatchObject({ bosTokenId: null, eosTokenId: 256, padTokenId: 256, vocabSize: 259 });
    expect(tokenizer.encode("a<|end|>[mine]b")).toEqual([97, 256, 258, 98]);
    expect(tokenizer.decode([97, 256, 258, 98])).toBe("a<|end|>[mine]b");
    expect(tokenizer.decode([97, 256, 258, 98], { skipSpecialTokens: true })).toBe("a[mine]b");
    expect(await tokenizer.applyChatTemplate([{ role: "user", content: "hi" }])).toBe("hi<|end|>");
  });

  test("merges of tokens that hold a space", () => {
    const tokens = [" ", "a", " a"];
    const { tokenizerJson } = partsOf({ model: "gpt2", tokens, merges: ["  a", "a b"] })!;
    expect((tokenizerJson as { model: { merges: string[][] } }).model.merges).toEqual([
      [" ", "a"],
      ["a", "b"],
    ]);
    expect(() => partsOf({ model: "gpt2", tokens, merges: ["ab"] })).toThrow(
      'tokenizer.ggml.merges has "ab"; expected two tokens with a space between',
    );
  });
});

describe("SentencePiece", () => {
  const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`);
  const own = ["\u2581", "a", "b", "c", "bc", "ab", "\u2581a", "<mine>"];
  const tokens = ["<unk>", "<s>", "</s>", ...bytes, ...own];
  const metadata = {
    model: "llama",
    tokens,
    // Scores of pieces that consist of two others: bc first, then ab, then ▁a.
    scores: tokens.map((token) => ({ bc: -1, ab: -2, "\u2581a": -3 })[token] ?? (token.startsWith("<") ? 0 : -100)),
    token_type: tokens.map((token, id) =>
      id === 0 ? 2 : id < 3 ? 3 : token === "<mine>" ? 4 : token.startsWith("<") ? 6 : 1,
    ),
    bos_token_id: 1,
    eos_token_id: 2,
    unknown_token_id: 0,
  };
  const names = (text: string, more: object = {}) =>
    tokenizerOf({ ...metadata, ...more })
      .encode(text)
      .map((id) => tokens[id]);

  test("the best score merges first, whatever stands left of it", () => {
    expect(names("abc")).toEqual(["<s>", "\u2581a", "bc"]);
    expect(names("ab")).toEqual(["<s>", "\u2581", "ab"]);
    expect(names("a ab")).toEqual(["<s>", "\u2581a", "\u2581", "ab"]);
  });

  test("characters without a piece become bytes, and come back", () => {
    expect(names("é")).toEqual(["<s>", "\u2581", "<0xC3>", "<0xA9>"]);
    const tokenizer = tokenizerOf(metadata);
    for (const text of ["é ab\u{1F600}", " a", "b  c"]) {
      expect(tokenizer.decode(tokenizer.encode(text), { skipSpecialTokens: true })).toBe(text);
    }
  });

  test("no space before the text where the file says so, and tokens of the user stay whole", () => {
    expect(names("abc", { add_space_prefix: false, add_bos_token: false })).toEqual(["a", "bc"]);
    expect(names("ab<mine>", { add_bos_token: false })).toEqual(["\u2581", "ab", "<mine>"]);
  });
});

describe("the whole tokenizer.json", () => {
  const tokens = ["<unk>", "\u2581", "a", "b", "ab", "ba", "aba", "<s>"];
  const added = (id: number, content: string, special: boolean) => {
    const matching = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    return { id, content, special, ...matching };
  };
  const around = (id: string, type_id: number) => [
    { SpecialToken: { id: "<s>", type_id } },
    { Sequence: { id, type_id } },
  ];
  const shared = {
    ...{ version: "1.0", truncation: null, padding: null },
    added_tokens: [added(0, "<unk>", true), added(3, "b", false), added(7, "<s>", true)],
    post_processor: {
      type: "TemplateProcessing",
      single: around("A", 0),
      pair: [...around("A", 0), ...around("B", 1)],
      special_tokens: { "<s>": { id: "<s>", ids: [7], tokens: ["<s>"] } },
    },
  };
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const fields = {
    tokens,
    token_type: [2, 1, 1, 4, 1, 1, 1, 3],
    ...{ bos_token_id: 7, add_bos_token: true },
  };
  const config = { tokenizer_class: "PreTrainedTokenizerFast", clean_up_tokenization_spaces: false, bos_token: "<s>" };
  const model = {
    ...{ type: "BPE", dropout: null, ignore_merges: false },
    ...{ vocab, fuse_unk: true, byte_fallback: true, unk_token: "<unk>" },
    ...{ continuing_subword_prefix: null, end_of_word_suffix: null },
  };
  const replace = (from: string, content: string) => ({ type: "Replace", pattern: { String: from }, content });
  const decoders = [replace("\u2581", " "), { type: "ByteFallback" }, { type: "Fuse" }];

  test("of a byte-level BPE", () => {
    expect(partsOf({ model: "gpt2", pre: "gpt-2", merges: ["a b"], ...fields })).toEqual({
      tokenizerConfig: config,
      tokenizerJson: {
        ...shared,
        normalizer: null,
        pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
        decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
        model: {
          ...model,
          ...{ unk_token: null, fuse_unk: false, byte_fallback: false, merges: [["a", "b"]] },
          ...{ continuing_subword_prefix: "", end_of_word_suffix: "" },
        },
      },
    });
  });

  test("of SentencePiece and of merged letters", () => {
    const token_type = [2, 1, 1, 1, 1, 1, 1, 3];
    const more = { added_tokens: shared.added_tokens.filter(({ content }) => content !== "b") };
    // Pairs of one score are ordered by the length of the left piece, longest first.
    const merges = [
      ["ab", "a"],
      ["a", "ba"],
      ["a", "b"],
      ["b", "a"],
    ];
    expect(partsOf({ ...fields, model: "llama", scores: [0, 0, 0, 0, -2, -3, -1, 0], token_type })).toEqual({
      tokenizerConfig: config,
      tokenizerJson: {
        ...{ ...shared, ...more },
        normalizer: { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "\u2581" }, replace(" ", "\u2581")] },
        pre_tokenizer: null,
        decoder: { type: "Sequence", decoders: [...decoders, { type: "Strip", content: " ", start: 1, stop: 0 }] },
        model: { ...model, merges },
      },
    });
    expect(partsOf({ ...fields, model: "gemma4", merges: ["a b"], token_type })).toEqual({
      tokenizerConfig: config,
      tokenizerJson: {
        ...{ ...shared, ...more },
        normalizer: replace(" ", "\u2581"),
        pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false },
        decoder: { type: "Sequence", decoders },
        model: { ...model, merges: [["a", "b"]] },
      },
    });
  });

  test("merges are ordered by score, then by the characters of the left and of the right piece", () => {
    const names = ["<unk>", "a", "b", "aa", "ab", "aab", "aaab", "aaa", "\u{1f600}", "b\u{1f600}", "\u{1f600}b"];
    const scores = [0, 0, 0, -1, -1, -1, -2, -1, 0, -1, -1];
    const { tokenizerJson } = partsOf({ model: "llama", tokens: names, scores })!;
    expect((tokenizerJson as { model: { merges: string[][] } }).model.merges).toEqual([
      ["aa", "b"],
      ["aa", "a"],
      ["a", "ab"],
      ["a", "aa"],
      ["a", "a"],
      ["a", "b"],
      ["b", "\u{1f600}"],
      ["\u{1f600}", "b"],
      ["aaa", "b"],
      ["aa", "ab"],
      ["a", "aab"],
    ]);
  });
});

describe("errors", () => {
  const bare = { model: "gpt2", tokens: ["a", "b"], merges: [] };

  test("no tokenizer is none", () => {
    expect(partsOf({})).toBeUndefined();
    expect(partsOf({ model: "none" })).toBeUndefined();
  });

  test.each([
    [{ model: "bert" }, 'x.gguf: tokenizer.ggml.model is "bert"; expected "gpt2" or "llama"'],
    [{ tokens: ["a", "b", "a"] }, 'x.gguf: tokens 0 and 2 are both "a"'],
    [{ tokens: [1] }, "tokenizer.ggml.tokens is [1]; expected a list of strings"],
    [{ merges: undefined }, "tokenizer.ggml.merges is undefined; expected a list of strings"],
    [{ token_type: [1] }, "tokenizer.ggml.token_type has 1 items for 2 tokens"],
    [{ eos_token_id: 2 }, "tokenizer.ggml.eos_token_id is 2; expected an id below 2"],
    [{ model: "llama" }, "tokenizer.ggml.scores is undefined; expected a list of numbers"],
    [{ "tokenizer.chat_template": 3 }, "tokenizer.chat_template is 3; expected a text"],
  ])("%o", (more, message) => {
    expect(() => partsOf({ ...bare, ...more })).toThrow(message);
  });
});
