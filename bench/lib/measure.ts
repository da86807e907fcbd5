import { cpus } from "node:os";
import { version } from "node:process";
import { Bench, type Statistics } from "tinybench";

/** The times of one contestant in milliseconds, by tinybench. */
export interface Timing {
  best: number;
  median: number;
  /** The 95 % margin of error of the mean, in percent of it. */
  margin: number;
  samples: readonly number[];
}

/** One contestant: `run` does the whole of the work and ends when its result is there. */
export interface Contestant {
  name: string;
  run: () => Promise<unknown>;
}

/** Returns the middle of the values (the upper one of an even count). */
export function median(values: readonly number[]): number {
  return values.toSorted((x, y) => x - y)[values.length >> 1]!;
}

/** Returns the middle of ratios, of which 2 and 1/2 cancel. */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

const now = (): number => performance.now();
const once = { iterations: 1, time: 0, warmup: false, throws: true, now } as const;

/** Runs a contestant once under tinybench and returns its time. */
async function timeOnce({ name, run }: Contestant): Promise<number> {
  const bench = new Bench(once);
  bench.add(name, async () => void (await run()), { async: true });
  const [task] = await bench.run();
  return latencyOf(task!.result).max;
}

/** Returns tinybench's statistics of times that were measured one by one. */
export function statisticsOf(samples: readonly number[]): Statistics {
  const bench = new Bench({ ...once, iterations: samples.length });
  let next = 0;
  bench.add("samples", () => ({ overriddenDuration: samples[next++]! }), { async: false });
  const [task] = bench.runSync();
  return latencyOf(task!.result);
}

function latencyOf(result: Bench["results"][number]): Statistics {
  if ("latency" in result) return result.latency;
  throw new Error(`bench: a measurement ended as ${result.state}`);
}

const LEAST_ROUNDS = 3;

/**
 * Times all contestants in turn, round after round, so that noise from outside meets them alike.
 * After `seconds` it ends early, though not before three rounds.
 */
export async function interleave(
  contestants: Contestant[],
  warmUps: number,
  rounds: number,
  seconds: number = Number.POSITIVE_INFINITY,
): Promise<Map<string, Timing>> {
  const times = new Map(contestants.map(({ name }) => [name, [] as number[]]));
  const end = performance.now() + 1000 * seconds;
  for (let round = -warmUps; round < rounds; round++) {
    if (round >= LEAST_ROUNDS && performance.now() > end) break;
    for (const contestant of contestants) {
      const time = await timeOnce(contestant);
      if (round >= 0) times.get(contestant.name)!.push(time);
    }
  }
  return new Map(Array.from(times, ([name, samples]) => [name, timingOf(samples)]));
}

function timingOf(samples: number[]): Timing {
  const { min, rme } = statisticsOf(samples);
  return { best: min, median: median(samples), margin: rme, samples };
}

/** Returns a timing's margin of error as a table shows it, and the number of its samples. */
export function marginCell({ margin, samples }: Timing): string {
  return `±${margin.toFixed(1)} % of ${samples.length}`;
}

/** Returns one line that says where the figures come from. */
export function machine(): string {
  return `${cpus()[0]!.model.trim()}, ${cpus().length} cores, ${process.platform}-${process.arch}, Node ${version}`;
}

/** Prints rows under a header, columns aligned, numbers to the right. */
export function printTable(header: string[], rows: string[][]): void {
  const widths = header.map((_, i) => Math.max(...[header, ...rows].map((row) => row[i]!.length)));
  const line = (row: string[]) =>
    row.map((cell, i) => (i ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join("  ");
  console.log(line(header));
  console.log(widths.map((width) => "-".repeat(width)).join("  "));
  for (const row of rows) console.log(line(row));
}
