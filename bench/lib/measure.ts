import { cpus } from "node:os";
import { version } from "node:process";

/** Times of one contestant, in milliseconds. */
export interface Timing {
  best: number;
  median: number;
}

/** One contestant: `run` does the whole of the work and ends when its result is there. */
export interface Contestant {
  name: string;
  run: () => Promise<unknown>;
}

/** The middle of the values (the upper one of an even count). */
export function median(values: number[]): number {
  return values.toSorted((x, y) => x - y)[values.length >> 1]!;
}

/** The middle of ratios, of which 2 and 1/2 cancel. */
export function geometricMean(values: number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

const LEAST_ROUNDS = 3;

/**
 * Times all contestants in turn, round after round, so that noise from outside meets them alike. After `seconds` it ends
 * early, though not before three rounds.
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
    for (const { name, run } of contestants) {
      const start = performance.now();
      await run();
      if (round >= 0) times.get(name)!.push(performance.now() - start);
    }
  }
  return new Map([...times].map(([name, all]) => [name, { best: Math.min(...all), median: median(all) }]));
}

/** One line that says where the figures come from. */
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
