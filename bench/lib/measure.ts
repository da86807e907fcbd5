import { cpus } from "node:os";
import { version } from "node:process";
import { Bench, type Statistics } from "tinybench";

/** The times of one contestant in milliseconds, from tinybench. */
export interface Timing {
  best: number;
  median: number;
  /** 95 % margin of error of the mean, in percent of the mean. */
  margin: number;
  samples: readonly number[];
}

/** A contestant. `run` does all of the work and resolves when the result is available. */
export interface Contestant {
  name: string;
  run: () => Promise<unknown>;
}

/** Returns the median of the values (the upper one of an even count). */
export function median(values: readonly number[]): number {
  return values.toSorted((x, y) => x - y)[values.length >> 1]!;
}

/** Returns the geometric mean, in which the ratios 2 and 1/2 cancel. */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

const now = (): number => performance.now();
const once = { iterations: 1, time: 0, warmup: false, throws: true, now } as const;

/** Runs a contestant once with tinybench and returns its time in milliseconds. */
async function timeOnce({ name, run }: Contestant): Promise<number> {
  const bench = new Bench(once);
  bench.add(name, async () => void (await run()), { async: true });
  const [task] = await bench.run();
  return latencyOf(task!.result).max;
}

/** Returns tinybench's statistics for times that were measured individually. */
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
 * Times all contestants in turn, round by round, so that external noise affects them equally. Ends early after
 * `seconds`, but not before three rounds.
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

/** Returns the table cell with a timing's margin of error and its number of samples. */
export function marginCell({ margin, samples }: Timing): string {
  return `±${margin.toFixed(1)} % of ${samples.length}`;
}

/** Returns one line that describes the machine. */
export function machine(): string {
  return `${cpus()[0]!.model.trim()}, ${cpus().length} cores, ${process.platform}-${process.arch}, Node ${version}`;
}

/** Prints rows under a header, with aligned columns and numbers to the right. */
export function printTable(header: string[], rows: string[][]): void {
  const widths = header.map((_, i) => Math.max(...[header, ...rows].map((row) => row[i]!.length)));
  const line = (row: string[]) =>
    row.map((cell, i) => (i ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join("  ");
  console.log(line(header));
  console.log(widths.map((width) => "-".repeat(width)).join("  "));
  for (const row of rows) console.log(line(row));
}

/** The times of a contestant in milliseconds. */
export interface Times {
  median: number;
  samples: number[];
}

const mostRounds = 40;
/** A contestant whose single run takes more than this share of the time runs only once. */
const longShare = 1 / 8;

/** Times contestants in turn for about `seconds`, each at least once. They must have run before as a warm-up. */
export async function timesWithin(contestants: readonly Contestant[], seconds: number): Promise<Map<string, Times>> {
  const samples = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  const end = performance.now() + 1000 * seconds;
  let left = contestants;
  for (let round = 0; round < mostRounds && left.length > 0; round++) {
    if (round > 0 && performance.now() > end) break;
    for (const { name, run } of left) {
      const start = performance.now();
      await run();
      samples.get(name)!.push(performance.now() - start);
    }
    left = left.filter(({ name }) => samples.get(name)!.at(-1)! < 1000 * seconds * longShare);
  }
  return new Map([...samples].map(([name, all]) => [name, { median: median(all), samples: all }]));
}
