import { expect, test } from "vitest";
import { UseCounts } from "./useCounts.ts";

/** Returns names in the order of their counts, after these uses. */
function order(uses: readonly string[], names: readonly string[] = [...new Set(uses)]): string[] {
  const counts = new UseCounts();
  for (const name of uses) counts.count(name);
  return [...counts.leastFirst(names.map((version) => ({ version })))].map(({ version }) => version);
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
  const others = Array.from({ length: 9999 }, (_, i) => `other ${i}`);
  const uses = ["a", "a", "b", "b", ...others];
  expect(order(uses, ["b", "a", "other 5000"])).toEqual(["a", "b", "other 5000"]);
});
