import { expect, test } from "vitest";
import type { ServingStats } from "../api/api.ts";
import { anyone } from "../api/caller.ts";
import { engineMetrics } from "../metrics/engineMetrics.ts";
import { type Labels, NumberFamily } from "../metrics/families.ts";
import { Load, visibleStats } from "./mayUse.ts";

const caller = (tenant: string, operator = false) => ({ ...anyone, tenant, operator });

test("running requests are counted by tenant; an operator sees their sum", () => {
  const load = new Load();
  const seen = () => [load.seenBy(caller("a")), load.seenBy(caller("b")), load.seenBy(caller("x", true))];
  expect(seen()).toEqual([0, 0, 0]);
  load.change("a", 1);
  load.change("b", 1);
  load.change("b", 2);
  expect(seen()).toEqual([1, 3, 4]);
  load.change("a", -1);
  load.change("b", -2);
  expect(seen()).toEqual([0, 1, 1]);
  // A count is never below 0.
  load.change("a", -1);
  load.change("a", 1);
  expect(seen()).toEqual([1, 1, 2]);
});

test("a tenant sees its own requests, by their states", () => {
  const states = [
    "waiting",
    "waiting",
    "waiting",
    "paused",
    "paused",
    "prefill",
    "decode",
    "decode",
    "decode",
  ] as const;
  const requests = [...states.map((state) => ["a", state] as const), ["b", "decode"] as const].map(
    ([tenant, state], i) => {
      return { id: `${i}`, tenant, adapter: null, state, promptTokens: 1, newTokens: 0 };
    },
  );
  const stats = { waiting: 9, running: 9, paused: 9, passes: 7, requests } as unknown as ServingStats;
  expect(visibleStats(stats, caller("a", true))).toBe(stats);
  expect(visibleStats(stats, caller("a"))).toEqual({
    waiting: 3,
    running: 4,
    paused: 2,
    requests: requests.slice(0, 9),
  });
  expect(visibleStats(stats, caller("b"))).toMatchObject({ waiting: 0, running: 1, paused: 0 });
  expect(visibleStats(stats, caller("c"))).toEqual({ waiting: 0, running: 0, paused: 0, requests: [] });
});

test.each([
  [0, 0, 0],
  [0, 8, 0],
  [2, 8, 0.25],
  [8, 8, 1],
])("of %i pages in use of %i, the share is %d", (used, total, share) => {
  const stats = { pages: { used, total, cached: 0 }, adapters: {} } as unknown as ServingStats;
  const lines = engineMetrics(stats).vllm.flatMap((family) => family.lines());
  expect(lines).toContain(`vllm:kv_cache_usage_perc ${share}`);
});

test("the series of a label are dropped, and no others", () => {
  const family = new NumberFamily("counter", "n", "Help.");
  const series: Labels[] = [{ adapter: "a" }, { adapter: "a", status: 1 }, { adapter: "b" }, { other: "a" }];
  for (const labels of series) family.inc(labels);
  family.drop("adapter", "a");
  expect(family.lines().slice(2)).toEqual(['n{adapter="b"} 1', 'n{other="a"} 1']);
});
