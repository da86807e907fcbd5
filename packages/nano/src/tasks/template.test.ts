import { expect, test } from "vitest";
import { seededRandom } from "./seededRandom.ts";
import { chooseWords, fill, wordsOf } from "./template.ts";

test("chooses one word of each group", () => {
  const random = seededRandom(3, "choices");
  const seen = new Set(Array.from({ length: 100 }, () => chooseWords("[print|show] {a} [now|then]", random)));
  expect([...seen].sort()).toEqual(["print {a} now", "print {a} then", "show {a} now", "show {a} then"]);
});

test("fills arguments, given the word before each", () => {
  const asked: string[] = [];
  const filled = fill("add {a} to the list {l}", (name, before) => {
    asked.push(`${before}>${name}`);
    return name.toUpperCase();
  });
  expect(filled).toBe("add A to the list L");
  expect(asked).toEqual(["add>a", "list>l"]);
});

test("lists the plain words", () => {
  expect(wordsOf("[print|show] the {a} of 2")).toEqual(["print", "show", "the", "of"]);
});
