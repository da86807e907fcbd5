import { type Contestant, median } from "./measure.ts";

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
