import { expect, test } from "vitest";
import { viewLines } from "./liveView.ts";

const stats = {
  waiting: 2,
  running: 10,
  paused: 0,
  batchRows: 40,
  decodeRows: 9,
  passes: 5,
  promptTokens: 100,
  cachedTokens: 10,
  newTokens: 300,
  preemptions: 0,
  pages: { total: 64, used: 20, cached: 4 },
  adapters: { registered: 100, resident: 5, bytes: 31_200_000_000_000, hits: 99, loads: 1, evictions: 3, failures: 0 },
  requests: Array.from({ length: 10 }, (_, i) => {
    const adapter = i === 0 ? null : `poet\x1b[2J${i}`;
    return { id: `${i}`, tenant: "", adapter, state: "decode" as const, promptTokens: 12, newTokens: i };
  }),
};

test("the view tells requests, rows, tokens a second, pages and adapters", () => {
  const lines = viewLines("base on http://x", { stats, before: { ...stats, newTokens: 250 }, seconds: 0.5 }, 120);
  expect(lines.slice(0, 4)).toEqual([
    "base on http://x",
    "10 running, 2 waiting | 40 rows, 9 decode | 100.0 tokens/s",
    "pages 20 of 64, 4 kept | adapters 5 of 100 in memory, 31200000.0 MB, hits 99 %, 3 evicted",
    "  (base)                   decode   12 prompt, 0 new",
  ]);
  expect(lines.at(-1)).toBe("  and 2 more");
});

test("names cannot command the terminal, and lines are no wider than it", () => {
  const lines = viewLines("base", { stats, before: stats, seconds: 0 }, 30);
  expect(lines.join("")).not.toContain("\x1b");
  expect(lines.every((line) => line.length <= 30)).toBe(true);
});
