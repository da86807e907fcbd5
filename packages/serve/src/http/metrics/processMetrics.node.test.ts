import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test, vi } from "vitest";
import { processMetrics } from "./processMetrics.ts";

/** Returns the values of a scrape by name and labels. */
async function scrape(read: ReturnType<typeof processMetrics>) {
  const lines = (await read()).flatMap((family) => family.lines());
  const values = lines.filter((line) => !line.startsWith("#")).map((line) => line.split(/ (?=\S+$)/));
  return { lines, values: new Map(values.map(([name, value]) => [name, Number(value)])) };
}

test("times are in seconds, and sizes in bytes, as the process has them", async () => {
  const read = processMetrics();
  const before = process.cpuUsage();
  const { values } = await scrape(read);
  const after = process.cpuUsage();
  const value = (name: string) => values.get(name)!;
  const within = (name: string, least: number, most: number) => {
    expect(value(name), name).toBeGreaterThanOrEqual(least);
    expect(value(name), name).toBeLessThanOrEqual(most);
  };
  within("process_cpu_user_seconds_total", before.user / 1e6, after.user / 1e6);
  within("process_cpu_system_seconds_total", before.system / 1e6, after.system / 1e6);
  const sum = value("process_cpu_user_seconds_total") + value("process_cpu_system_seconds_total");
  expect(value("process_cpu_seconds_total")).toBeCloseTo(sum, 9);
  expect(Math.abs(value("process_start_time_seconds") - (Date.now() / 1000 - process.uptime()))).toBeLessThan(1);
  const { rss, heapTotal } = process.memoryUsage();
  within("process_resident_memory_bytes", rss / 2, rss * 2);
  within("nodejs_heap_size_total_bytes", heapTotal / 2, heapTotal * 2);
  within("nodejs_heap_size_used_bytes", 1e6, heapTotal * 2);
  expect(value("nodejs_external_memory_bytes")).toBeGreaterThan(1000);
  const [major, minor, patch] = process.versions.node.split(".");
  const labels = `version="${process.version}",major="${major}",minor="${minor}",patch="${patch}"`;
  expect(value(`nodejs_version_info{${labels}}`)).toBe(1);
});

test.skipIf(process.platform !== "linux")("Linux tells virtual memory and file descriptors", async () => {
  const { values } = await scrape(processMetrics());
  const kilobytes = Number(/^VmSize:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
  expect(values.get("process_virtual_memory_bytes")! / (1024 * kilobytes)).toBeCloseTo(1, 0);
  const [, most] = /^Max open files\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  expect(values.get("process_max_fds")).toBe(most === "unlimited" ? Number.POSITIVE_INFINITY : Number(most));
  expect(values.get("process_open_fds")).toBeGreaterThan(3);
});

test("resources that keep the process alive are counted anew at each scrape", async () => {
  const spy = vi.spyOn(process, "getActiveResourcesInfo");
  const read = processMetrics();
  spy.mockReturnValue(["Timeout", "Timeout", "TCPSocketWrap"]);
  const first = await scrape(read);
  expect(first.values.get('nodejs_active_resources{type="Timeout"}')).toBe(2);
  expect(first.values.get('nodejs_active_resources{type="TCPSocketWrap"}')).toBe(1);
  spy.mockReturnValue(["Timeout"]);
  const second = await scrape(read);
  expect(second.values.get('nodejs_active_resources{type="Timeout"}')).toBe(1);
  expect(second.values.has('nodejs_active_resources{type="TCPSocketWrap"}')).toBe(false);
  spy.mockRestore();
});

test("garbage collections are told by their kinds, in seconds", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options?: { type: "minor" | "major" }) => void;
  const read = processMetrics();
  const start = performance.now();
  for (const type of ["minor", "major"] as const) collect({ type });
  const seconds = (performance.now() - start) / 1000;
  let found = (await scrape(read)).values;
  const missing = () => ["minor", "major"].some((kind) => !found.has(`nodejs_gc_duration_seconds_sum{kind="${kind}"}`));
  for (let i = 0; i < 100 && missing(); i++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    found = (await scrape(read)).values;
  }
  for (const kind of ["minor", "major"]) {
    const sum = found.get(`nodejs_gc_duration_seconds_sum{kind="${kind}"}`)!;
    expect(sum, kind).toBeGreaterThan(0);
    expect(sum, kind).toBeLessThan(2 * seconds + 0.5);
    expect(found.get(`nodejs_gc_duration_seconds_count{kind="${kind}"}`), kind).toBeGreaterThanOrEqual(1);
  }
  expect([...found.keys()].filter((name) => name.includes('kind="other"'))).toEqual([]);
});

test("the event loop's delays are those since the last scrape, in seconds", async () => {
  const read = processMetrics();
  await new Promise((resolve) => setTimeout(resolve, 30));
  const end = performance.now() + 60;
  while (performance.now() < end);
  await new Promise((resolve) => setTimeout(resolve, 30));
  const { values } = await scrape(read);
  const lag = (name: string) => values.get(`nodejs_eventloop_lag_${name}_seconds`)!;
  expect(lag("max")).toBeGreaterThan(0.03);
  expect(lag("max")).toBeLessThan(10);
  const order = [lag("min"), lag("p50"), lag("p90"), lag("p99"), lag("max")];
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  expect(lag("mean")).toBeGreaterThanOrEqual(lag("min"));
  expect(lag("mean")).toBeLessThanOrEqual(lag("max"));
  // No delay has been measured since.
  const again = await scrape(read);
  const next = again.values.get("nodejs_eventloop_lag_max_seconds")!;
  expect(next).toBeLessThan(lag("max"));
});
