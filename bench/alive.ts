// Measures the responsiveness of a web page while it trains 10 steps and generates 100 tokens, with the engine in the
// page and in a Worker. Also measures how many steps and tokens are done, and how long it takes, with an abort after 50
// ms.

import { openSourcePage } from "@lowrank/test-support/sourcePage";
import type { Alive, AlivePage, Place } from "./lib/alivePage.ts";
import { machine, printTable } from "./lib/measure.ts";

const places: readonly Place[] = ["page", "worker"];
const works = ["train", "generate"] as const;
const abortMs = 50;

/** Prints a table and one line of JSON with the counts for each place and kind of work. */
export async function bench(): Promise<void> {
  await using opened = await openSourcePage("bench/lib/alivePage.ts");
  const { page, version } = opened;
  await page.waitForFunction("globalThis.alivePage");
  const alive = await page.evaluateHandle(() => (globalThis as unknown as { alivePage: AlivePage }).alivePage);
  const run = (place: Place, work: (typeof works)[number], abortAfterMs?: number): Promise<Alive> =>
    alive.evaluate((own, args) => own.run(...args), [place, work, abortAfterMs] as const);

  console.log(`${machine()}, ${version}\n`);
  const figures: Record<string, Record<string, object>> = {};
  const rows: string[][] = [];
  for (const place of places) {
    for (const work of works) {
      await run(place, work);
      const whole = await run(place, work);
      const aborted = await run(place, work, abortMs);
      const { ms, frames, ticks, longestTask, longestUnit, units } = whole;
      const rounded = { ms, longestTask, longestUnit, abortedMs: aborted.ms };
      for (const [name, value] of Object.entries(rounded)) Object.assign(rounded, { [name]: Math.round(value) });
      figures[place] = { ...figures[place], [work]: { ...rounded, frames, ticks, units, abortedUnits: aborted.units } };
      const shown = [ms, frames, ticks, longestTask, longestUnit, units, aborted.units, aborted.ms];
      rows.push([`${work} in the ${place}`, ...shown.map((value) => value.toFixed(0))]);
    }
  }
  const counted = ["ms", "frames", "ticks", "longest task", "longest unit", "units"];
  printTable(["", ...counted, `units, aborted at ${abortMs} ms`, "ended at"], rows);
  console.log(`\n${JSON.stringify({ alive: figures })}`);
}
