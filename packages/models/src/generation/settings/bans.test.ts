import { expect, test } from "vitest";
import { type BanOptions, Bans } from "./bans.ts";

const after = (prompt: number[], tokens: number[], options: BanOptions) =>
  new Bans({ ...options, eosTokenIds: [9] }, 10).after(prompt, tokens).toSorted();

test("no run of tokens comes twice in prompt and new text", () => {
  expect(after([1, 2, 3, 1], [2], { noRepeatNgramSize: 3 })).toEqual([3]);
  expect(after([1, 2, 1, 3], [1], { noRepeatNgramSize: 2 })).toEqual([2, 3]);
  expect(after([1, 2], [], { noRepeatNgramSize: 1 })).toEqual([1, 2]);
  expect(after([1], [], { noRepeatNgramSize: 3 })).toEqual([]);
  expect(after([1, 1], [], { noRepeatNgramSize: 4 })).toEqual([]);
  expect(after([1, 2, 1], [2], { noRepeatNgramSize: 5 })).toEqual([]);
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

test("every setting alone makes bans", () => {
  const any = (options: BanOptions & { eosTokenIds?: number[] }) => new Bans(options, 10).any;
  expect(any({ eosTokenIds: [9] })).toBe(false);
  expect(any({ noRepeatNgramSize: 0, badWordsIds: [], suppressTokens: [], minNewTokens: 0, eosTokenIds: [9] })).toBe(
    false,
  );
  expect(any({ noRepeatNgramSize: 1 })).toBe(true);
  expect(any({ suppressTokens: [0] })).toBe(true);
  expect(any({ badWordsIds: [[1]] })).toBe(true);
  expect(any({ badWordsIds: [[1, 2]] })).toBe(true);
  expect(any({ badWordsIds: [[9]], eosTokenIds: [9] })).toBe(false);
  expect(any({ minNewTokens: 1, eosTokenIds: [9] })).toBe(true);
});

test("runs are found from the first tokens to the last ones", () => {
  const ngrams = (prompt: number[], size: number) => after(prompt, [], { noRepeatNgramSize: size });
  expect(ngrams([], 1)).toEqual([]);
  expect(ngrams([], 2)).toEqual([]);
  expect(ngrams([1], 1)).toEqual([1]);
  expect(ngrams([1], 2)).toEqual([]);
  expect(ngrams([1, 1], 2)).toEqual([1]);
  expect(ngrams([1, 2], 3)).toEqual([]);
  expect(ngrams([3, 3, 3], 3)).toEqual([3]);
  expect(ngrams([1, 2, 3, 1, 2], 4)).toEqual([]);
  expect(ngrams([1, 2, 3, 4, 1, 2, 3], 4)).toEqual([4]);
});

test("a word of two EOS tokens is banned, and one EOS after others is", () => {
  expect(after([9], [], { badWordsIds: [[9, 9]] })).toEqual([9]);
  expect(after([1], [], { badWordsIds: [[1, 9]] })).toEqual([9]);
  expect(after([], [], { badWordsIds: [[1, 9]] })).toEqual([]);
});

test("ids of bans are whole numbers from 0 to the last token", () => {
  const make = (options: BanOptions) => () => new Bans(options, 10);
  for (const id of [0, 9]) {
    expect(make({ suppressTokens: [id] })).not.toThrow();
    expect(make({ badWordsIds: [[id, id]] })).not.toThrow();
  }
  for (const id of [-1, 10, 0.5]) {
    expect(make({ suppressTokens: [id] })).toThrow(`suppressTokens holds ${id}; the model's token ids are 0 to 9`);
    expect(make({ badWordsIds: [[1], [1, id]] })).toThrow(`badWordsIds holds ${id}; the model's token ids are 0 to 9`);
  }
  for (const name of ["noRepeatNgramSize", "minNewTokens"]) {
    expect(make({ [name]: 0 })).not.toThrow();
    for (const value of [-1, 0.5]) expect(make({ [name]: value })).toThrow(`${name} is ${value}; expected a whole`);
  }
});
