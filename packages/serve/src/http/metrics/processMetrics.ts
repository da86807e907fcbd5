import { readdir, readFile } from "node:fs/promises";
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import { type Family, HistogramFamily, NumberFamily } from "../../metrics/families.ts";

const gcBounds = [0.001, 0.01, 0.1, 1, 2, 5];
/** Names of the kinds of garbage collection, by Node's constants. */
const gcKinds: Readonly<Record<number, string>> = {
  1: "minor",
  2: "minor",
  4: "major",
  8: "incremental",
  16: "weakcb",
};

const gauge = (name: string, help: string) => new NumberFamily("gauge", name, help);
const counter = (name: string, help: string) => new NumberFamily("counter", name, help);

/**
 * Starts observing garbage collections and the event loop. Returns a function that reads metrics of the process and of
 * its main thread, with the metric names that Prometheus client libraries use.
 */
export function processMetrics(): () => Promise<Family[]> {
  const userCpu = counter("process_cpu_user_seconds_total", "CPU time in user mode.");
  const systemCpu = counter("process_cpu_system_seconds_total", "CPU time in the kernel.");
  const cpu = counter("process_cpu_seconds_total", "CPU time.");
  const start = gauge("process_start_time_seconds", "Start of the process, since 1970.");
  const resident = gauge("process_resident_memory_bytes", "Resident memory.");
  const virtual = gauge("process_virtual_memory_bytes", "Virtual memory.");
  const openFds = gauge("process_open_fds", "Open file descriptors.");
  const maxFds = gauge("process_max_fds", "The most open file descriptors.");
  const heapTotal = gauge("nodejs_heap_size_total_bytes", "Heap of the main thread.");
  const heapUsed = gauge("nodejs_heap_size_used_bytes", "Used heap of the main thread.");
  const external = gauge("nodejs_external_memory_bytes", "Memory outside of the heap.");
  const resources = gauge("nodejs_active_resources", "Resources that keep the event loop alive, by type.");
  const versions = gauge("nodejs_version_info", "Node's version.");
  const gc = new HistogramFamily("nodejs_gc_duration_seconds", "Garbage collections by kind.", gcBounds);
  observeGc((kind, seconds) => gc.observe({ kind }, seconds));
  const lags = eventLoopLag();
  const startedAt = Date.now() / 1000 - process.uptime();

  return async () => {
    const { user, system } = process.cpuUsage();
    userCpu.set({}, user / 1e6);
    systemCpu.set({}, system / 1e6);
    cpu.set({}, (user + system) / 1e6);
    start.set({}, startedAt);
    const memory = process.memoryUsage();
    resident.set({}, memory.rss);
    heapTotal.set({}, memory.heapTotal);
    heapUsed.set({}, memory.heapUsed);
    external.set({}, memory.external);
    resources.clear();
    for (const type of process.getActiveResourcesInfo?.() ?? []) resources.inc({ type });
    const [major, minor, patch] = process.versions.node.split(".");
    versions.set({ version: process.version, major, minor, patch }, 1);
    await readLinux({ virtual, openFds, maxFds });
    const memories = [resident, virtual, heapTotal, heapUsed, external];
    return [userCpu, systemCpu, cpu, start, ...memories, openFds, maxFds, resources, versions, gc, ...lags()];
  };
}

/** Reads the metrics that exist only on Linux. They stay empty on other systems. */
async function readLinux(of: { virtual: NumberFamily; openFds: NumberFamily; maxFds: NumberFamily }): Promise<void> {
  if (process.platform !== "linux") return;
  try {
    const [status, limits, fds] = await Promise.all([
      readFile("/proc/self/status", "utf8"),
      readFile("/proc/self/limits", "utf8"),
      readdir("/proc/self/fd"),
    ]);
    const kilobytes = /^VmSize:\s+(\d+) kB/m.exec(status)?.[1];
    if (kilobytes) of.virtual.set({}, Number(kilobytes) * 1024);
    const most = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
    if (most) of.maxFds.set({}, most === "unlimited" ? Number.POSITIVE_INFINITY : Number(most));
    of.openFds.set({}, fds.length);
  } catch {
    // /proc is not mounted.
  }
}

function observeGc(onGc: (kind: string, seconds: number) => void): void {
  const { supportedEntryTypes } = PerformanceObserver as unknown as { supportedEntryTypes?: readonly string[] };
  if (!supportedEntryTypes?.includes("gc")) return;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = ((entry as { detail?: unknown }).detail ?? {}) as { kind?: number };
      onGc(gcKinds[kind ?? 0] ?? "other", entry.duration / 1000);
    }
  }).observe({ entryTypes: ["gc"] });
}

/** Returns a function that reads the delays of the main thread's event loop since the function was last called. */
function eventLoopLag(): () => Family[] {
  const percentiles = [50, 90, 99];
  const names = ["min", "max", "mean", ...percentiles.map((percentile) => `p${percentile}`)];
  const families = names.map((name) => {
    return gauge(`nodejs_eventloop_lag_${name}_seconds`, `Delay of the event loop since the last scrape: ${name}.`);
  });
  const delays = startDelays();
  return () => {
    if (!delays) return [];
    const values = [delays.min, delays.max, delays.mean, ...percentiles.map((p) => delays.percentile(p))];
    for (const [i, family] of families.entries()) family.set({}, delays.count === 0 ? 0 : values[i] / 1e9);
    delays.reset();
    return families;
  };
}

/** Starts measuring delays of the event loop. Returns null if the runtime does not support it. */
function startDelays(): ReturnType<typeof monitorEventLoopDelay> | null {
  try {
    const delays = monitorEventLoopDelay({ resolution: 10 });
    delays.enable();
    return delays;
  } catch {
    return null;
  }
}
