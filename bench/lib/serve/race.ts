import { median, printTable, statisticsOf } from "../measure.ts";

/** One contestant; `run` does some work and returns its speed, in tokens a second. */
export interface Racer {
  readonly name: string;
  run(): Promise<number>;
}

/** Speeds in tokens a second, by contestant, round by round. */
export type Speeds = ReadonlyMap<string, readonly number[]>;

const leastRounds = 3;

/**
 * Lets all contestants run in turn, after one round that does not count, until the rounds or the
 * seconds are over, though three times at least.
 */
export async function race(racers: readonly Racer[], limits: { rounds: number; seconds: number }): Promise<Speeds> {
  const speeds = new Map(racers.map(({ name }) => [name, [] as number[]]));
  const end = performance.now() + 1000 * limits.seconds;
  for (let round = -1; round < limits.rounds; round++) {
    if (round >= leastRounds && performance.now() > end) break;
    // In turn forwards and backwards: what grows slower in the course of a round meets all alike.
    for (const { name, run } of round % 2 === 0 ? racers : racers.toReversed()) {
      const speed = await run();
      if (round >= 0) speeds.get(name)!.push(speed);
    }
  }
  return speeds;
}

/**
 * Returns the median of the rounds' ratios: what slows a whole round down does not count. Undefined
 * where one of the two did not run.
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
