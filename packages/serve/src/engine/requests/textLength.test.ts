import type { Tokenizer } from "@lowrank/models";
import { expect, test } from "vitest";
import { TextLength } from "./readPrompt.ts";

/** Returns a checker for a vocabulary whose longest token has `longest` bytes, and records the tokens that it reads. */
function checkerOf(mostTokens: number, longest: number) {
  const looks: number[] = [];
  const tokenBytes = (token: number) => {
    looks.push(token);
    return new Uint8Array(token === 2 ? longest : 1);
  };
  const length = new TextLength({ vocabSize: 3, tokenBytes } as unknown as Tokenizer, mostTokens);
  return { looks, check: (text: string) => length.check({ text }), length };
}

test("refuses a text that so many tokens cannot hold", () => {
  const { check, looks } = checkerOf(4, 3);
  check("a".repeat(4));
  expect(looks).toEqual([]);
  check("a".repeat(5));
  check("a".repeat(12));
  expect(() => check("a".repeat(13))).toThrow("hold at most 12 characters; the prompt has 13");
  expect(looks).toEqual([0, 1, 2]);
});

test("adds the messages of a chat up, and takes tokens of any number", () => {
  const { length } = checkerOf(4, 1);
  const messages = [
    { role: "user" as const, content: "ab" },
    { role: "assistant" as const, content: "cd" },
  ];
  length.check({ messages });
  expect(() => length.check({ messages: [...messages, { role: "user", content: "e" }] })).toThrow("the prompt has 5");
  length.check({ tokens: [1, 2, 3, 4, 5, 6] });
});

test("a token has a byte at least", () => {
  const { check } = checkerOf(2, 0);
  check("ab");
  expect(() => check("abc")).toThrow("at most 2 characters");
});
