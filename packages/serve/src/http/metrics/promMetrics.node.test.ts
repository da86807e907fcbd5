import { expect, test } from "vitest";
import { AdapterLabels } from "../../metrics/engineMetrics.ts";
import { ScriptedEngine } from "../../testing/scriptedEngine.ts";
import type { Scrape } from "./observers.ts";
import { promMetrics } from "./promMetrics.ts";

const scrape = async (given: Partial<Scrape> = {}): Promise<Scrape> => {
  return { stats: await new ScriptedEngine().stats(), budgets: [], model: "base", jobs: {}, ...given };
};
const sequence = { promptTokens: 2, newTokens: 3, reason: "stop", seconds: 0.2 } as const;

/** Returns the values of a metric by its labels. */
function valuesOf(text: string, name: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`));
  return new Map(lines.map((line) => [line.slice(name.length, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]));
}

test("recently used adapters have labels, and a label is reused only after its adapter was idle", () => {
  let time = 0;
  const dropped: string[] = [];
  const labels = new AdapterLabels({
    most: 2,
    idleMs: 100,
    onDrop: (name) => void dropped.push(name),
    now: () => time,
  });
  expect(["a", "b", "c", null].map((name) => labels.of(name))).toEqual(["a", "b", "other", ""]);
  time = 60;
  expect(labels.of("a")).toBe("a");
  time = 100;
  expect(labels.of("c")).toBe("c");
  expect(dropped).toEqual(["b"]);
  expect([labels.of("b"), labels.of("a")]).toEqual(["other", "a"]);
});

test("a thousand adapters in turn leave a bounded number of series, and no series goes back", async () => {
  let time = 0;
  const metrics = promMetrics({ adapterLabels: 5, labelIdleSeconds: 60, now: () => time });
  let before = new Map<string, number>();
  const names = new Set<string>();
  for (let round = 0; round < 20; round++) {
    time = round * 30_000;
    for (let i = 0; i < 1000; i++) {
      const adapter = `tenant-${(round * 7 + i) % 1000}`;
      metrics.queued(adapter, 0.1);
      metrics.finished(adapter, sequence);
    }
    const text = await metrics.render(await scrape());
    const now = valuesOf(text, "vllm:request_success_total");
    expect(now.size).toBeLessThanOrEqual(6);
    expect(valuesOf(text, "vllm:request_queue_time_seconds_count").size).toBe(now.size);
    for (const [labels, value] of now) {
      expect(value).toBeGreaterThanOrEqual(before.get(labels) ?? 0);
      names.add(labels);
    }
    before = now;
  }
  // Five names at a time, each held for a minute at least.
  expect(names.size).toBeLessThan(60);
});

test("an adapter that lost its label starts again at 0, as after a restart, and others keep their counts", async () => {
  let time = 0;
  const metrics = promMetrics({ adapterLabels: 1, labelIdleSeconds: 10, now: () => time });
  const counts = async () => {
    const found = valuesOf(await metrics.render(await scrape()), "lowrank_adapter_generated_tokens_total");
    return Object.fromEntries([...found].map(([labels, value]) => [/"(.*)"/.exec(labels)?.[1], value]));
  };
  metrics.finished("a", sequence);
  metrics.finished("b", sequence);
  metrics.finished(null, sequence);
  expect(await counts()).toEqual({ a: 3, other: 3, "": 3 });
  time = 20_000;
  metrics.finished("b", sequence);
  expect(await counts()).toEqual({ b: 3, other: 3, "": 3 });
  time = 40_000;
  metrics.finished("a", sequence);
  expect(await counts()).toEqual({ a: 3, other: 3, "": 3 });
});

test("jobs by status, load times and the build are there", async () => {
  const stats = await new ScriptedEngine().stats();
  const buckets = new Array<number>(15).fill(0);
  buckets[2] = 4;
  const loadTimes = { buckets, sum: 0.5 };
  const jobs = { queued: 2, running: 1, failed: 0 };
  const text = await promMetrics().render(
    await scrape({ jobs, stats: { ...stats, adapters: { ...stats.adapters, loadTimes } } }),
  );
  for (const line of [
    'lowrank_jobs{status="queued"} 2',
    'lowrank_jobs{status="failed"} 0',
    'lowrank_adapter_load_seconds_bucket{le="0.005"} 0',
    'lowrank_adapter_load_seconds_bucket{le="0.01"} 4',
    "lowrank_adapter_load_seconds_sum 0.5",
    "lowrank_adapter_load_seconds_count 4",
  ]) {
    expect(text.split("\n")).toContain(line);
  }
  expect(text).toMatch(/^lowrank_build_info\{version="\d+\.\d+\.\d+",model="base"\} 1$/m);
});

test("process metrics have the usual names and plausible values", async () => {
  const metrics = promMetrics();
  await new Promise((resolve) => setTimeout(resolve, 40));
  const text = await metrics.render(await scrape());
  const value = (name: string) => Number(new RegExp(`^${name}(?:\\{[^\\n]*\\})? (\\S+)$`, "m").exec(text)?.[1]);
  expect(value("process_cpu_seconds_total")).toBeGreaterThan(0);
  expect(Math.abs(value("process_start_time_seconds") - (Date.now() / 1000 - process.uptime()))).toBeLessThan(5);
  expect(value("process_resident_memory_bytes")).toBeGreaterThan(1e7);
  expect(value("nodejs_heap_size_used_bytes")).toBeGreaterThan(1e6);
  expect(value("nodejs_version_info")).toBe(1);
  expect(value("nodejs_eventloop_lag_max_seconds")).toBeGreaterThanOrEqual(0);
  expect(text).toContain("# TYPE nodejs_gc_duration_seconds histogram");
  if (process.platform === "linux") {
    expect(value("process_open_fds")).toBeGreaterThan(3);
    expect(value("process_virtual_memory_bytes")).toBeGreaterThan(value("process_resident_memory_bytes"));
  }
});

test("by default, 100 adapters have labels, each until it was idle for 900 seconds", async () => {
  let time = 0;
  const metrics = promMetrics({ now: () => time });
  const use = (adapter: string) => metrics.queued(adapter, 0.1);
  const labels = async () => {
    const text = await metrics.render(await scrape());
    const keys = [...valuesOf(text, "vllm:request_queue_time_seconds_count").keys()];
    return keys.map((key) => /adapter="(.*)"/.exec(key)?.[1]).filter((name) => !/^a\d+$/.test(name ?? ""));
  };
  for (let i = 0; i < 100; i++) use(`a${i}`);
  expect(await labels()).toEqual([]);
  use("b");
  expect(await labels()).toEqual(["other"]);
  time = 899_999;
  use("c");
  expect(await labels()).toEqual(["other"]);
  time = 900_000;
  use("d");
  expect(await labels()).toEqual(["other", "d"]);
});

test("times have buckets from 5 ms to a minute", async () => {
  const metrics = promMetrics();
  metrics.answered("/x", 200, 0.1);
  const text = await metrics.render(await scrape());
  const bounds = [...text.matchAll(/^lowrank_http_request_seconds_bucket\{route="\/x",le="(.*)"\} (\d)/gm)];
  expect(bounds.map(([, bound, count]) => `${bound}: ${count}`).join(", ")).toBe(
    "0.005: 0, 0.01: 0, 0.025: 0, 0.05: 0, 0.1: 1, 0.25: 1, 0.5: 1, 1: 1, 2.5: 1, 5: 1, 10: 1, 30: 1, 60: 1, +Inf: 1",
  );
});
