import { readFileSync } from "node:fs";
import { Tokenizer } from "@huggingface/tokenizers";
import { expect, test } from "vitest";
import { nanoModelFolder } from "./nanoModelFolder.ts";
import { generatePairs } from "./tasks/generatePairs.ts";
import type { LanguageName } from "./tasks/languages/language.ts";

function readModelJson(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(name, nanoModelFolder), "utf8"));
}

const config = readModelJson("config.json");
const tokenizer = new Tokenizer(readModelJson("tokenizer.json"), readModelJson("tokenizer_config.json"));
const decode = (ids: number[]): string => tokenizer.decode(ids, { skip_special_tokens: true });

test("every pair of every language comes back as it was, within the model's positions", () => {
  const languages: LanguageName[] = ["python", "javascript", "lua", "sql"];
  for (const language of languages) {
    for (const { prompt, completion } of generatePairs({ language, split: "test", count: 970, seed: 21 })) {
      const { ids } = tokenizer.encode(prompt + completion);
      expect(decode(ids)).toBe(prompt + completion);
      expect(ids.length).toBeLessThan(config.max_position_embeddings as number);
    }
  }
});

test("any text comes back as it was", () => {
  for (const text of [
    "",
    " ",
    "  two  spaces\n\n",
    "na\u00efve caf\u00e9 \u4f60\u597d \ud83d\ude00",
    "a\tb\r\n",
    "x=-1.5e3;\u0000",
  ]) {
    expect(decode(tokenizer.encode(text).ids)).toBe(text);
  }
});

test("a prompt's tokens are a prefix of the whole pair's", () => {
  for (const { prompt, completion } of generatePairs({ language: "sql", split: "train", count: 500, seed: 22 })) {
    const { ids } = tokenizer.encode(prompt);
    expect(tokenizer.encode(prompt + completion).ids.slice(0, ids.length)).toEqual(ids);
  }
});

test("digits are tokens of their own", () => {
  expect(tokenizer.encode("set x to 907").tokens.slice(-3)).toEqual(["9", "0", "7"]);
});

test("the ids in config.json are the tokenizer's", () => {
  expect(tokenizer.token_to_id("<s>")).toBe(config.bos_token_id);
  expect(tokenizer.token_to_id("</s>")).toBe(config.eos_token_id);
  expect(tokenizer.token_to_id("<pad>")).toBe(config.pad_token_id);
  expect(tokenizer.encode("print").ids[0]).toBe(config.bos_token_id);
  expect(tokenizer.get_vocab().size).toBe(config.vocab_size);
});
