import { expect, test } from "vitest";
import { thinned } from "./thinned.ts";

test("long lines are means of neighbours", () => {
  const points = Array.from({ length: 1000 }, (_, i) => [i, i % 2] as const);
  const few = thinned(points, 100);
  expect(few).toHaveLength(100);
  expect(few[0]).toEqual([4.5, 0.5]);
  expect(few[99]).toEqual([994.5, 0.5]);
  expect(thinned(points.slice(0, 3), 100)).toEqual(points.slice(0, 3));
  expect(thinned([], 100)).toEqual([]);
});
