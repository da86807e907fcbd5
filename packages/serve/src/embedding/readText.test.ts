import { Tokenizer } from "@lowrank/models";
import { expect, test } from "vitest";
import { plainConfig } from "./embeddingOptions.ts";
import { readText } from "./readText.ts";

const words = ["[PAD]", "[CLS]", "[SEP]", "a", "small", "cat"];
const special = (id: number) => ({ SpecialToken: { id: words[id] } });

/** Tokenizer of words, which adds [CLS] before a text and [SEP] after it. */
const tokenizer = new Tokenizer({
  label: "words",
  tokenizerJson: {
    added_tokens: [0, 1, 2].map((id) => ({ id, content: words[id], special: true })),
    normalizer: null,
    pre_tokenizer: { type: "Whitespace" },
    post_processor: {
      ...{ type: "TemplateProcessing", single: [special(1), { Sequence: { id: "A" } }, special(2)] },
      special_tokens: Object.fromEntries(
        [1, 2].map((id) => [words[id], { id: words[id], ids: [id], tokens: [words[id]] }]),
      ),
    },
    decoder: null,
    model: { type: "WordLevel", vocab: Object.fromEntries(words.map((word, id) => [word, id])) },
  },
});

const reader = (lowerCase = false) => ({
  ...{ tokenizer, vocabSize: words.length },
  settings: { ...plainConfig, lowerCase, maxNumSeqs: 1, maxNumBatchedTokens: 1, maxModelLen: 5, maxQueue: 1 },
});

test("a text is cut at its end, inside the tokens that stand around it", async () => {
  expect(await readText("a small cat", {}, reader())).toEqual([1, 3, 4, 5, 2]);
  const cut = (most: number, text = "a small small cat") => readText(text, { truncatePromptTokens: most }, reader());
  expect(await cut(-1)).toEqual([1, 3, 4, 4, 2]);
  expect(await cut(3)).toEqual([1, 3, 2]);
  expect(await cut(3, "a")).toEqual([1, 3, 2]);
  await expect(cut(2)).rejects.toThrow("truncate_prompt_tokens is 2, and 2 tokens surround every text");
  await expect(readText("a a a a", {}, reader())).rejects.toThrow("an input has 6");
});

test("token ids are taken as they are, and cut at their end", async () => {
  expect(await readText([5, 4, 3, 3, 3, 3], { truncatePromptTokens: 2 }, reader())).toEqual([5, 4]);
});

test("texts are put in lower case where the folder says so", async () => {
  await expect(readText("A Cat", {}, reader())).rejects.toMatchObject({ code: "invalid_request", param: "input" });
  expect(await readText("A Cat", {}, reader(true))).toEqual([1, 3, 5, 2]);
});

test("a length is from 1 to the model's, or -1", async () => {
  const cut = (most: number, input: string | number[] = [5, 4, 3, 3, 3, 3]) =>
    readText(input, { truncatePromptTokens: most }, reader());
  expect([await cut(1), await cut(5), await cut(-1)]).toEqual([[5], [5, 4, 3, 3, 3], [5, 4, 3, 3, 3]]);
  for (const most of [0, 6, -2, 1.5]) {
    await expect(cut(most)).rejects.toThrow(
      `truncate_prompt_tokens is ${most}; expected a whole number from 1 to 5, or -1 for the most`,
    );
  }
});

test("a text that fits is not cut, so its tokenizer need not keep the tokens of the bare text", async () => {
  const joining = {
    ...{ bosTokenId: null, vocabSize: 9 },
    encode: (_: string, { addSpecialTokens = true } = {}) => (addSpecialTokens ? [1, 4, 2] : [3]),
  } as unknown as Tokenizer;
  const read = (most: number) => readText("a", { truncatePromptTokens: most }, { ...reader(), tokenizer: joining });
  expect(await read(3)).toEqual([1, 4, 2]);
  await expect(read(2)).rejects.toThrow("this tokenizer's texts cannot be truncated");
});
