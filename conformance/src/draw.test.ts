import { expect, test } from "vitest";
import { Draw } from "./draw.ts";

const answers = (draw: Draw) =>
  Array.from({ length: 40 }, () => [draw.integer(-2, 3), draw.chance(0.5), draw.some(["a", "b", "c"]).join("")]);

test("a seed and a stream say all choices", () => {
  expect(answers(new Draw(3, 1))).toEqual(answers(new Draw(3, 1)));
  expect(answers(new Draw(3, 1))).not.toEqual(answers(new Draw(4, 1)));
  expect(answers(new Draw(3, 1))).not.toEqual(answers(new Draw(3, 2)));
});

test("every allowed answer comes, and no other", () => {
  const found = answers(new Draw(0, 0));
  expect(new Set(found.map(([integer]) => integer))).toEqual(new Set([-2, -1, 0, 1, 2, 3]));
  expect(new Set(found.map(([, chance]) => chance))).toEqual(new Set([true, false]));
  expect(new Set(found.map(([, , some]) => some))).toEqual(new Set(["a", "b", "c", "ab", "ac", "bc", "abc"]));
});

test("options are set or left out", () => {
  const draw = new Draw(1, 0);
  expect(draw.maybe(0, () => ({ r: 1 }))).toEqual({});
  expect(draw.maybe(1, () => ({ r: 1 }))).toEqual({ r: 1 });
});
