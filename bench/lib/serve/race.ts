import { median, printTable, statisticsOf } from "../measure.ts";

/** A contestant. `run` does some work and returns its speed in tokens per second. */
export interface Racer {
  readonly name: string;
  run(): Promise<number>;
}

/** Speeds in tokens per second, by contestant and round. */
export type Speeds = ReadonlyMap<string, readonly number[]>;

const leastRounds = 3;

/**
 * Runs all contestants in turn, after one unmeasured round, until the limit of rounds or seconds, but at least three
 * rounds.
 */
export async function race(racers: readonly Racer[], limits: { rounds: number; seconds: number }): Promise<Speeds> {
  const speeds = new Map(racers.map(({ name }) => [name, [] as number[]]));
  const end = performance.now() + 1000 * limits.seconds;
  for (let round = -1; round < limits.rounds; round++) {
    if (round >= leastRounds && performance.now() > end) break;
    // Alternate the direction, so that a slowdown during a round affects all contestants equally.
    for (const { name, run } of round % 2 === 0 ? racers : racers.toReversed()) {
      const speed = await run();
      if (round >= 0) speeds.get(name)!.push(speed);
    }
  }
  return speeds;
}

/**
 * Returns the median of the rounds' ratios, so that a slow round has no effect. Undefined if one of the two did not
 * run.
 */
export function ratioOf(speeds: Speeds, over: string, under: string): number | undefined {
  const [above, below] = [speeds.get(over), speeds.get(under)];
  if (!above || !below) return undefined;
  return median(above.map((speed, round) => speed / below[round]!));
}

/** Prints a line for each contestant. */
export function printSpeeds(speeds: Speeds): void {
  printTable(
    ["tokens/s", "median", "best", "mean"],
    [...speeds].map(([name, all]) => {
      const margin = statisticsOf(all).rme;
      return [name, median(all).toFixed(1), Math.max(...all).toFixed(1), `±${margin.toFixed(1)} % of ${all.length}`];
    }),
  );
}
