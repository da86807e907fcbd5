import { expect, test } from "vitest";
import { AdapterLabels } from "./engineMetrics.ts";

test("adapters have their own labels while there is room, and lose them when idle", () => {
  let time = 0;
  const dropped: string[] = [];
  const labels = new AdapterLabels({ most: 2, idleMs: 100, onDrop: (name) => dropped.push(name), now: () => time });
  const of = (...names: (string | null)[]) => names.map((name) => labels.of(name));
  expect(of(null, "a", "b", "c", "a", null)).toEqual(["", "a", "b", "other", "a", ""]);
  time = 99;
  expect(of("c")).toEqual(["other"]);
  time = 100;
  expect([of("c", "c", "b", "c"), dropped]).toEqual([
    ["c", "c", "b", "c"],
    ["b", "a"],
  ]);
  expect(of("a")).toEqual(["other"]);
  const none = new AdapterLabels({ most: 0, idleMs: 100, onDrop: () => undefined, now: () => time });
  expect(none.of("a")).toBe("other");
});
