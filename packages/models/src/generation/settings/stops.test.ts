import { expect, test } from "vitest";
import { stopFilter } from "../text/stopFilter.ts";
import { readStops, stopTest } from "./stops.ts";

test("sorts stops by their kind", () => {
  expect(readStops()).toEqual({ texts: [], sequences: [], kept: [] });
  expect(readStops("a", "b")).toEqual({ texts: ["a"], sequences: [], kept: ["b"] });
  expect(readStops(["a", [1, 2], "c"], ["d", "e"])).toEqual({
    texts: ["a", "c"],
    sequences: [[1, 2]],
    kept: ["d", "e"],
  });
});

test("refuses empty stops and other values", () => {
  const loose = readStops as (stop: unknown, stopStrings?: unknown) => unknown;
  expect(() => loose("")).toThrow('stop holds ""; expected texts and lists of token ids, none empty');
  expect(() => loose([[]])).toThrow("stop holds []");
  expect(() => loose([[1.5]])).toThrow("stop holds [1.5]");
  expect(() => loose([5])).toThrow("stop holds 5");
  expect(() => loose([], "")).toThrow('stopStrings holds ""; expected texts, none empty');
  expect(() => loose([], [[1]])).toThrow("stopStrings holds [1]");
});

test("token ids stop where the new tokens end with them", () => {
  const test = stopTest(readStops([[1, 2], [3]]), undefined);
  expect(test([], [1, 2])).toBe(true);
  expect(test([], [5, 1, 2])).toBe(true);
  expect(test([], [1, 2, 5])).toBe(false);
  expect(test([], [2])).toBe(false);
  expect(test([], [2, 1])).toBe(false);
  expect(test([], [3])).toBe(true);
  expect(test([1], [2])).toBe(false);
  expect(test([], [])).toBe(false);
});

test("texts stop where the newest text has them, and are read from a few tokens", () => {
  const calls: [before: number, tokens: number][] = [];
  const textAfter = (before: readonly number[], tokens: readonly number[]): string => {
    calls.push([before.length, tokens.length]);
    return String.fromCharCode(...tokens);
  };
  const codes = (text: string) => Array.from(text, (letter) => letter.charCodeAt(0));
  const test = stopTest(readStops("xy", ["z"]), textAfter);
  expect(test(codes("abc"), codes("abxy"))).toBe(true);
  expect(test(codes("abc"), codes("abz"))).toBe(true);
  expect(test(codes("abc"), codes("abx"))).toBe(false);
  expect(test(codes("xy"), codes("a"))).toBe(false);
  // "xy" has two bytes, so at most two new tokens are decoded, after two tokens of context.
  expect(calls).toEqual([
    [2, 2],
    [2, 2],
    [2, 2],
    [2, 1],
  ]);
  expect(test(codes("a"), codes("xyabc"))).toBe(false);
  // A character of two bytes may consist of two tokens.
  calls.length = 0;
  stopTest(readStops("é"), textAfter)([1, 2, 3], [4, 5, 6]);
  expect(calls).toEqual([[2, 2]]);
  const seen: unknown[] = [];
  const context = stopTest(readStops("é"), (...lists) => {
    seen.push(lists);
    return "";
  });
  context([1, 2, 3], [4, 5, 6]);
  context([1], [2]);
  expect(seen).toEqual([
    [
      [3, 4],
      [5, 6],
    ],
    [[1], [2]],
  ]);
});

test("a filter stops after token ids, a text that is cut off, or a text that is kept", () => {
  const filter = () => stopFilter(readStops(["xy", [1, 2]], ["z"]));
  const tokens = filter();
  expect([tokens.pushToken(1), tokens.stopped]).toEqual([[], false]);
  expect([tokens.pushToken(2), tokens.stopped, tokens.flushTokens()]).toEqual([[], true, []]);
  const cut = filter();
  expect([cut.pushText("ax"), cut.stopped]).toEqual(["a", false]);
  expect([cut.pushText("yb"), cut.stopped, cut.flushText()]).toEqual(["", true, ""]);
  const kept = filter();
  expect([kept.pushText("ab"), kept.stopped]).toEqual(["ab", false]);
  expect([kept.pushText("cz"), kept.stopped]).toEqual(["cz", true]);
  const long = stopFilter(readStops([], "abc"));
  expect(["xa", "b"].map((text) => [long.pushText(text), long.stopped])).toEqual([
    ["xa", false],
    ["b", false],
  ]);
  expect([long.pushText("c"), long.stopped]).toEqual(["c", true]);
});

test("texts need a tokenizer", () => {
  expect(() => stopTest(readStops("a"), undefined)).toThrow('to stop at the text "a"');
  expect(() => stopTest(readStops([], "b"), undefined)).toThrow('to stop at the text "b"');
  expect(stopTest(readStops(), () => "a")([], [1])).toBe(false);
});
