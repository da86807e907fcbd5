import { memoryFiles } from "@lowrank/files";
import { describe, expect, test } from "vitest";
import { StreamDecoder } from "./streamDecoder.ts";
import { Tokenizer } from "./tokenizer.ts";

// A byte-level tokenizer whose merges show where the text was split, since nothing merges across a split.
const bytes = ["a", "b", "x", "1", "!", "Ġ", "Â", "ħ", "²", "ï", "»", "¿", "ð", "Ł", "ĺ", "Ģ", "Ċ"];
const vocab = [...bytes, "Âħ", "Âħ!", "ï»", "ï»¿", "ï»¿!", "Â²", "ĠÂ²", "<s>", "</s>"];
const tokenizerJson = {
  added_tokens: ["<s>", "</s>"].map((content) => ({ id: vocab.indexOf(content), content, special: true })),
  normalizer: null,
  pre_tokenizer: {
    type: "Sequence",
    pretokenizers: [
      { type: "Digits", individual_digits: true },
      { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    ],
  },
  post_processor: null,
  decoder: { type: "ByteLevel" },
  model: {
    type: "BPE",
    vocab: Object.fromEntries(vocab.map((token, id) => [token, id])),
    merges: ["Â ħ", "Âħ !", "ï »", "ï» ¿", "ï»¿ !", "Â ²", "Ġ Â²"],
  },
};
const chatTemplate =
  "{{ bos_token }}{% for m in messages %}{{ m.role }}:{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}a:{% endif %}";
const tokenizerConfig = {
  bos_token: "<s>",
  eos_token: { content: "</s>" },
  pad_token: null,
  chat_template: chatTemplate,
};
const tokenizer = new Tokenizer({ tokenizerJson, tokenizerConfig, chatTemplate });
const tokens = (text: string) => tokenizer.encode(text).map((id) => vocab[id]);

describe("white space and digits are those of the Rust library", () => {
  test("U+0085 is white space", () => {
    expect(tokens("a\u0085!")).toEqual(["a", "Âħ", "!"]);
  });

  test("U+FEFF is not", () => {
    expect(tokens("a\uFEFF!")).toEqual(["a", "ï»¿!"]);
  });

  test("a superscript is a digit, which stands alone", () => {
    expect(tokens("a ²")).toEqual(["a", "Ġ", "Â²"]);
    expect(tokens("a1²")).toEqual(["a", "1", "Â²"]);
  });
});

test("special tokens: strings, objects, null", () => {
  const eos = vocab.indexOf("</s>");
  expect(tokenizer).toMatchObject({
    bosTokenId: vocab.length - 2,
    eosTokenId: eos,
    padTokenId: null,
    vocabSize: vocab.length,
  });
  expect(tokens("a</s>b")).toEqual(["a", "</s>", "b"]);
  expect(tokenizer.decode([0, eos, 1])).toBe("a</s>b");
  expect(tokenizer.decode(Int32Array.of(0, eos, 1), { skipSpecialTokens: true })).toBe("ab");
  expect(tokenizer.decode([])).toBe("");
  expect(() => new Tokenizer({ tokenizerJson, tokenizerConfig: { bos_token: 3 } })).toThrow("bos_token is 3");
  expect(() => new Tokenizer({ tokenizerJson, tokenizerConfig: { bos_token: "<bos>" } })).toThrow(
    'bos_token "<bos>" is not in the vocabulary',
  );
});

test("chat templates know the special tokens", async () => {
  const messages = [{ role: "user", content: "b" }];
  expect(await tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true })).toBe("<s>user:b\na:");
  expect(await tokenizer.applyChatTemplate(messages)).toBe("<s>user:b\n");
});

test("a stream holds back the bytes of a character until it is whole", () => {
  const stream = new StreamDecoder(tokenizer);
  const ids = ["a", "ð", "Ł", "ĺ", "Ģ", "b", "ð"].map((token) => vocab.indexOf(token));
  expect(ids.map((id) => stream.push(id))).toEqual(["a", "", "", "", "\u{1F600}", "b", ""]);
  expect(stream.flush()).toBe("\uFFFD");
  expect(stream.flush()).toBe("");
});

describe("fromFiles", () => {
  const files = {
    "tokenizer.json": JSON.stringify(tokenizerJson),
    "tokenizer_config.json": JSON.stringify(tokenizerConfig),
  };

  test("reads the template of tokenizer_config.json, a list of them, or chat_template.jinja", async () => {
    const template = async (more: Record<string, string>) =>
      (await Tokenizer.fromFiles(memoryFiles({ ...files, ...more }))).chatTemplate;
    expect(await template({})).toBe(chatTemplate);
    expect(await template({ "chat_template.jinja": "x" })).toBe("x");
    const named = [
      { name: "tool_use", template: "t" },
      { name: "default", template: "d" },
    ];
    expect(await template({ "tokenizer_config.json": JSON.stringify({ chat_template: named }) })).toBe("d");
    const other = JSON.stringify({ chat_template: named.slice(0, 1) });
    await expect(template({ "tokenizer_config.json": other })).rejects.toThrow('no template named "default"');
  });

  test("needs tokenizer.json alone", async () => {
    const { "tokenizer.json": only } = files;
    const bare = await Tokenizer.fromFiles(memoryFiles({ "tokenizer.json": only }, "my files"));
    expect(bare).toMatchObject({ bosTokenId: null, eosTokenId: null, chatTemplate: null });
    await expect(Tokenizer.fromFiles(memoryFiles({ "config.json": "{}" }, "my files"))).rejects.toThrow(
      "my files has no tokenizer.json (it holds config.json)",
    );
  });
});
