import { expect, test } from "vitest";
import { leastFirst, UseCounts, unused } from "./useCounts.ts";

/** Returns names ordered by their counts after these uses. */
function order(uses: readonly string[], names: readonly string[] = [...new Set(uses)]): string[] {
  const counts = new UseCounts();
  const last = new Map(uses.map((name) => [name, counts.count(name)]));
  return [...leastFirst(names.map((name) => ({ name, uses: last.get(name) ?? unused })))].map(({ name }) => name);
}

test("versions come by their uses, and by their age where these are alike", () => {
  expect(order(["a", "b", "c"])).toEqual(["a", "b", "c"]);
  expect(order(["a", "b", "a", "c"])).toEqual(["b", "c", "a"]);
  expect(order(["a", "b", "c", "b", "a"])).toEqual(["c", "b", "a"]);
  expect(order(["a"], ["a", "unknown"])).toEqual(["unknown", "a"]);
  expect(order(["a"], [])).toEqual([]);
});

test("uses of long ago count for less", () => {
  const others = Array.from({ length: 3 * 2000 }, (_, i) => `other ${i}`);
  // Eight uses count as one after three half-lives.
  const before = (count: number) => order([...Array(count).fill("old"), ...others, "new"], ["new", "old"]);
  expect([before(7), before(9)]).toEqual([
    ["old", "new"],
    ["new", "old"],
  ]);
});

test("the uses of so many versions are known", () => {
  const counts = new UseCounts();
  const others = Array.from({ length: 9999 }, (_, i) => `other ${i}`);
  const fresh = ["a", "a", "b", "b", ...others].map((name) => counts.count(name)).at(-1)!;
  expect(counts.count("b")).toBeGreaterThan(fresh + 0.01);
  expect(counts.count("a")).toBeCloseTo(fresh, 2);
});

test("the count of a version is the logarithm of its uses, each worth twice as much as one 2000 uses before", () => {
  const counts = new UseCounts();
  expect(counts.count("a")).toBe(0);
  expect(counts.count("b")).toBe(1 / 2000);
  expect(counts.count("a")).toBeCloseTo(Math.log2(1 + 2 ** (2 / 2000)), 12);
  expect(counts.count("b")).toBeCloseTo(Math.log2(2 ** (1 / 2000) + 2 ** (3 / 2000)), 12);
});

test("items of equal counts come in their order", () => {
  const items = [3, 1, 1, 2, 1].map((uses, id) => ({ uses, id }));
  expect([...leastFirst(items)].map(({ id }) => id)).toEqual([1, 2, 4, 3, 0]);
});
