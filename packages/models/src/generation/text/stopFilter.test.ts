import { describe, expect, test } from "vitest";
import { Holdback } from "./stopFilter.ts";

/** Returns the items that pass after each letter, then the items that `flush` returns. */
function passed(text: string, stops: readonly string[], includeStop?: boolean): string[] {
  const holdback = new Holdback<string, string>(stops, includeStop);
  const parts = [...text].map((letter) => holdback.push(letter).join(""));
  return [...parts, holdback.flush().join("")];
}

describe("the items that pass one by one", () => {
  test.each<[text: string, stops: string[], parts: string[]]>([
    ["abc", [], ["a", "b", "c", ""]],
    ["abc", ["x"], ["a", "b", "c", ""]],
    ["axb", ["x"], ["a", "", "", ""]],
    ["abxy", ["xy"], ["a", "b", "", "", ""]],
    ["abxz", ["xy"], ["a", "b", "", "xz", ""]],
    ["abx", ["xy"], ["a", "b", "", "x"]],
    ["xxy", ["xy"], ["", "x", "", ""]],
    ["ababc", ["abc"], ["", "", "ab", "", "", ""]],
    ["aabaac", ["aabb", "ac"], ["", "", "", "aab", "", "a", ""]],
    ["xyz", ["xy"], ["", "", "", ""]],
    ["zxyz", ["yz", "xyz"], ["z", "", "", "", ""]],
    ["xy", ["y", "xy"], ["", "", ""]],
  ])("%s with the stops %j", (text, stops, parts) => expect(passed(text, stops)).toEqual(parts));
});

test("the longest of several complete stops is found, once", () => {
  const holdback = new Holdback<string, string>(["b", "ab"]);
  expect([holdback.stopped, holdback.found]).toEqual([false, null]);
  holdback.push("a");
  expect(holdback.stopped).toBe(false);
  expect(holdback.push("b")).toEqual([]);
  expect([holdback.stopped, holdback.found]).toEqual([true, "ab"]);
  expect(holdback.push("b")).toEqual([]);
  expect(holdback.flush()).toEqual([]);
});

test("a complete stop passes too with `includeStop`", () => {
  expect(passed("abxyz", ["xy"], true)).toEqual(["a", "b", "", "xy", "", ""]);
  expect(passed("abxyz", ["xy"], false)).toEqual(["a", "b", "", "", "", ""]);
});

test("no stop is complete at an item with which none may end", () => {
  const holdback = new Holdback<number>([[1, 2]]);
  expect(holdback.push(1)).toEqual([]);
  expect(holdback.push(2, false)).toEqual([1, 2]);
  expect(holdback.stopped).toBe(false);
  expect(holdback.push(1)).toEqual([]);
  expect(holdback.push(2)).toEqual([]);
  expect(holdback.found).toEqual([1, 2]);
});

test("the passed items are the text before the first stop, for all short texts", () => {
  const stops = ["aab", "ba"];
  for (let length = 0; length <= 7; length++) {
    for (let code = 0; code < 2 ** length; code++) {
      const text = Array.from({ length }, (_, i) => "ab"[(code >> i) & 1]).join("");
      const ends = stops.flatMap((stop) => (text.includes(stop) ? [text.indexOf(stop) + stop.length] : []));
      const whole = text.slice(0, Math.min(...ends, length));
      const stop = stops.filter((one) => ends.length > 0 && whole.endsWith(one)).sort((a, b) => b.length - a.length)[0];
      expect(passed(text, stops).join(""), text).toBe(whole.slice(0, whole.length - (stop?.length ?? 0)));
    }
  }
});
