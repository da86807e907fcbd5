import { expect, test } from "vitest";
import { seededRandom } from "./seededRandom.ts";
import { chooseWords, fill, wordsOf } from "./template.ts";

test("chooses one word of each group", () => {
  const random = seededRandom(3, "choices");
  const seen = new Set(Array.from({ length: 100 }, () => chooseWords("[print|show] {a} [now|then]", random)));
  expect([...seen].sort()).toEqual(["print {a} now", "print {a} then", "show {a} now", "show {a} then"]);
});

test("fills arguments and names a missing one", () => {
  expect(fill("add {a} to {l}", { a: "5", l: "scores" })).toBe("add 5 to scores");
  expect(() => fill("add {a}", {})).toThrow('fill: "add {a}" has no value for {a}');
});

test("lists the plain words", () => {
  expect(wordsOf("[print|show] the {a} of 2")).toEqual(["print", "show", "the", "of"]);
});
