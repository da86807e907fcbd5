import { Generator } from "@lowrank/core";
import type { Tokenizer } from "@lowrank/models";
import { expect, test } from "vitest";
import { wordTokenizer } from "../../testing/wordTokenizer.ts";
import { anyBans, badWordIds, bannedAfter } from "./readSettings.ts";

const tokenizer = wordTokenizer();
const ids = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });

test("a bad word counts after a space too if it then begins with another token and has as many", () => {
  // "ab" is one token, and so is " ab". " cd" is two tokens, while "cd" is one.
  expect(badWordIds(["ab"], tokenizer)).toEqual([ids("ab"), ids(" ab")]);
  expect(ids(" cd").length).toBe(2);
  expect(badWordIds(["cd"], tokenizer)).toEqual([ids("cd")]);
  expect(badWordIds([" ab", "ab"], tokenizer)).toEqual([ids("ab"), ids(" ab"), ids("ab"), ids(" ab")]);
  expect(() => badWordIds(["ab", "  "], tokenizer)).toThrow('bad_words holds "  ", which has no tokens');
});

/** vLLM's definition: the last token of a word is forbidden if the new text ends with its other tokens. */
function reference(past: readonly number[], words: readonly (readonly number[])[]): Set<number> {
  const banned = new Set<number>();
  for (const word of words) {
    const prefix = word.slice(0, -1);
    if (word.length > past.length + 1) continue;
    const tail = prefix.length === 0 ? [] : past.slice(-prefix.length);
    if (JSON.stringify(tail) === JSON.stringify(prefix)) banned.add(word[word.length - 1]);
  }
  return banned;
}

test("the tokens that complete bad words match the reference definition for random words and texts", () => {
  const generator = new Generator(7);
  const draw = (count: number, below: number) => {
    const drawn = new Int32Array(count);
    generator.fillInt(drawn, 0, below);
    return [...drawn];
  };
  let banned = 0;
  for (let round = 0; round < 500; round++) {
    const badWords = draw(4, 4).map((length) => draw(length + 1, 4));
    const past = draw(draw(1, 12)[0], 4);
    const found = bannedAfter(past, { badWords, stopTokenIds: [], minTokens: 0 });
    expect([...found].sort()).toEqual([...reference(past, badWords)].sort());
    banned += found.size;
  }
  expect(banned).toBeGreaterThan(500);
});

test("stops are forbidden until there are so many new tokens", () => {
  const settings = { badWords: [], stopTokenIds: [8, 9], minTokens: 2 };
  expect([...bannedAfter([], settings)]).toEqual([8, 9]);
  expect([...bannedAfter([1], settings)]).toEqual([8, 9]);
  expect([...bannedAfter([1, 1], settings)]).toEqual([]);
  expect(anyBans({ ...settings, minTokens: 0 })).toBe(false);
  expect(anyBans(settings)).toBe(true);
});

test("a word that has the same tokens after a space is forbidden once", () => {
  const words: Readonly<Record<string, number[]>> = { ab: [5, 7], same: [5, 5] };
  const stripping = { encode: (text: string) => words[text.trim()] } as unknown as Tokenizer;
  expect(badWordIds(["ab", "same"], stripping)).toEqual([
    [5, 7],
    [5, 5],
  ]);
});
