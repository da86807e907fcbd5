import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import perf from "node:perf_hooks";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { processMetrics } from "./processMetrics.ts";

/** Values that the replaced functions return. */
const fake = {
  status: "Name:\tnode\nVmSize:\t     100 kB\n",
  limits: "Max open files            unlimited            unlimited            files\n",
  resolutions: [] as unknown[],
  observed: [] as unknown[],
  types: ["gc"] as string[] | undefined,
  count: 4,
  resets: 0,
  onEntries: (_: { getEntries(): object[] }): void => {},
};

class FakeObserver {
  static get supportedEntryTypes() {
    return fake.types;
  }
  constructor(onEntries: typeof fake.onEntries) {
    fake.onEntries = onEntries;
  }
  observe(options: object) {
    fake.observed.push(options);
  }
}

const delays = (options: unknown) => {
  fake.resolutions.push(options);
  return {
    ...{ min: 1e9, max: 4e9, mean: 2e9, enable: () => {} },
    percentile: (percent: number) => percent * 1e7,
    reset: () => void fake.resets++,
    get count() {
      return fake.count;
    },
  };
};

const { PerformanceObserver: real } = perf;
beforeAll(() => {
  const readFile = async (path: unknown) => (String(path).endsWith("/status") ? fake.status : fake.limits);
  vi.spyOn(fs, "readFile").mockImplementation(readFile as never);
  vi.spyOn(fs, "readdir").mockImplementation((async () => ["0", "1", "2"]) as never);
  vi.spyOn(perf, "monitorEventLoopDelay").mockImplementation(delays as never);
  perf.PerformanceObserver = FakeObserver as never;
  syncBuiltinESMExports();
});
afterAll(() => {
  vi.restoreAllMocks();
  perf.PerformanceObserver = real;
  syncBuiltinESMExports();
});

const linesOf = async (read: ReturnType<typeof processMetrics>, start: string) =>
  (await read()).flatMap((family) => family.lines()).filter((line) => line.startsWith(start));

test("garbage collections are counted by the kinds of Node, in seconds", async () => {
  const read = processMetrics();
  expect(fake.observed.at(-1)).toEqual({ entryTypes: ["gc"] });
  const entries = [1, 2, 4, 8, 16, 32].map((kind) => ({ duration: 1500, detail: { kind } }));
  fake.onEntries({ getEntries: () => [...entries, { duration: 250 }] });
  const name = "nodejs_gc_duration_seconds";
  const sums = ["minor", "major", "incremental", "weakcb", "other"].map((kind, i) => {
    return `${name}_sum{kind="${kind}"} ${[3, 1.5, 1.5, 1.5, 1.75][i]}`;
  });
  expect(await linesOf(read, `${name}_sum`)).toEqual(sums);
  const buckets = await linesOf(read, `${name}_bucket{kind="minor"`);
  expect(buckets.map((line) => /le="(.*)"\} (.*)/.exec(line)?.slice(1))).toEqual([
    ...[
      ["0.001", "0"],
      ["0.01", "0"],
      ["0.1", "0"],
      ["1", "0"],
      ["2", "2"],
      ["5", "2"],
      ["+Inf", "2"],
    ],
  ]);
});

test("a runtime that does not observe garbage collections has no counts of them", () => {
  const before = fake.observed.length;
  for (const types of [undefined, [], ["mark"]]) {
    fake.types = types;
    processMetrics();
  }
  fake.types = ["gc"];
  expect(fake.observed).toHaveLength(before);
});

test("delays of the event loop are measured every 10 ms, and are in seconds since the last scrape", async () => {
  const read = processMetrics();
  expect(fake.resolutions.at(-1)).toEqual({ resolution: 10 });
  const name = "nodejs_eventloop_lag";
  const values = { min: 1, max: 4, mean: 2, p50: 0.5, p90: 0.9, p99: 0.99 };
  const expected = Object.entries(values).map(([what, value]) => `${name}_${what}_seconds ${value}`);
  const before = fake.resets;
  expect(await linesOf(read, name)).toEqual(expected);
  expect(fake.resets).toBe(before + 1);
  fake.count = 0;
  expect(await linesOf(read, name)).toEqual(expected.map((line) => line.replace(/ .*/, " 0")));
});

test.skipIf(process.platform !== "linux")("Linux gives memory in kB, and its limits on files", async () => {
  const read = processMetrics();
  const values = async () => [
    ...(await linesOf(read, "process_virtual_memory_bytes ")),
    ...(await linesOf(read, "process_max_fds ")),
    ...(await linesOf(read, "process_open_fds ")),
  ];
  expect(await values()).toEqual(["process_virtual_memory_bytes 102400", "process_max_fds +Inf", "process_open_fds 3"]);
  fake.limits = "Max open files            1024                 524288               files\n";
  expect((await values())[1]).toBe("process_max_fds 1024");
});
