import { expect, test } from "vitest";
import { type BanOptions, Bans } from "./bans.ts";

const after = (prompt: number[], tokens: number[], options: BanOptions) =>
  new Bans({ ...options, eosTokenIds: [9] }, 10).after(prompt, tokens).toSorted();

test("no run of tokens comes twice in prompt and new text", () => {
  expect(after([1, 2, 3, 1], [2], { noRepeatNgramSize: 3 })).toEqual([3]);
  expect(after([1, 2, 1, 3], [1], { noRepeatNgramSize: 2 })).toEqual([2, 3]);
  expect(after([1, 2], [], { noRepeatNgramSize: 1 })).toEqual([1, 2]);
  expect(after([1], [], { noRepeatNgramSize: 3 })).toEqual([]);
});

test("bad words are forbidden at their last token, after all before it; a lone EOS is none", () => {
  const options = { badWordsIds: [[4], [1, 2, 3], [2, 5], [9]] };
  expect(after([1, 2], [], options)).toEqual([3, 4, 5]);
  expect(after([1], [1], options)).toEqual([4]);
});

test("EOS waits for new tokens, and some tokens never come", () => {
  const options = { minNewTokens: 2, suppressTokens: [7] };
  expect(after([1, 2, 3], [4], options)).toEqual([7, 9]);
  expect(after([1, 2, 3], [4, 5], options)).toEqual([7]);
  expect(new Bans({ minNewTokens: 2 }, 10).any).toBe(false);
});

test("settings out of their range are named", () => {
  const make = (options: BanOptions) => () => new Bans(options, 10);
  expect(make({ noRepeatNgramSize: -1 })).toThrow("noRepeatNgramSize is -1; expected a whole number");
  expect(make({ suppressTokens: [10] })).toThrow("suppressTokens holds 10; the model's token ids are 0 to 9");
  expect(make({ badWordsIds: [[1], []] })).toThrow("badWordsIds holds an empty list");
});
