import { expect, test } from "vitest";
import { exactMatch } from "./complete.ts";

test("counts predictions that equal their reference", () => {
  expect(exactMatch(["a", "b ", "c", "d"], ["a", "b", "c", "e"])).toBe(0.5);
  expect(exactMatch(["x = 1"], ["x = 1"])).toBe(1);
});

test("refuses lists that cannot be compared", () => {
  expect(() => exactMatch(["a"], ["a", "b"])).toThrow("exactMatch: 1 predictions for 2 references");
  expect(() => exactMatch([], [])).toThrow("at least one reference");
});
