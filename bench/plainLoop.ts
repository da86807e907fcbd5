// Measures a training loop written as in PyTorch, without `scope` or `dispose`, in Node and in Chromium. Results are
// its memory over 10,000 steps, and its time over the time of the same loop with `scope`.

import { openSourcePage, type SourcePage } from "@lowrank/test-support/sourcePage";
import { interleave, machine, marginCell, printTable } from "./lib/measure.ts";
import { type LoopMemory, type MlpLoops, mlpLoops } from "./lib/mlpLoops.ts";

const hiddenSizes = [64, 1024];
const steps = 10_000;
const rounds = 9;
/** Larger layers take a hundred times as long, so they run fewer steps per round. */
const stepsARound = (hidden: number): number => (hidden > 500 ? 60 : 1000);

type MakeLoops = (hidden: number) => Promise<MlpLoops>;

/** Returns the loops of a web page. */
async function loopsIn({ page }: SourcePage, hidden: number): Promise<MlpLoops> {
  page.setDefaultTimeout(0);
  await page.waitForFunction("globalThis.mlpLoops");
  const loops = await page.evaluateHandle<MlpLoops>(`mlpLoops(${hidden})`);
  return {
    plain: (count) => loops.evaluate((own, count) => own.plain(count), count),
    scoped: (count) => loops.evaluate((own, count) => own.scoped(count), count),
    memory: () => loops.evaluate((own) => own.memory()),
  };
}

interface Figures extends LoopMemory {
  /** Time over the time of the loop with `scope`, median of the rounds. */
  vsScope: number;
}

async function timeLoops(place: string, hidden: number, loops: MlpLoops): Promise<number> {
  const count = stepsARound(hidden);
  const times = await interleave(
    [
      { name: "plain", run: () => loops.plain(count) },
      { name: "scope", run: () => loops.scoped(count) },
    ],
    1,
    rounds,
  );
  const [plain, scoped] = [times.get("plain")!, times.get("scope")!];
  console.log(`\n${place}, hidden size ${hidden}`);
  printTable(
    ["", "ms a step", "best", ""],
    [["plain", plain] as const, ["with scope", scoped] as const].map(([name, timing]) => [
      name,
      (timing.median / count).toFixed(3),
      (timing.best / count).toFixed(3),
      marginCell(timing),
    ]),
  );
  return plain.median / scoped.median;
}

/** Prints tables and one line of JSON: `Figures` for each place and hidden size. */
export async function bench(): Promise<void> {
  console.log(machine());
  const places: Record<string, MakeLoops> = { node: mlpLoops };
  await using page = await openSourcePage("bench/lib/mlpPage.ts").catch((error: Error) => {
    console.log(`skipped: the loops in Chromium (${error.message})`);
    return undefined;
  });
  if (page) places.chromium = (hidden) => loopsIn(page, hidden);

  const figures: Record<string, Record<string, Figures>> = {};
  for (const hidden of hiddenSizes) {
    // Run the long loops concurrently, since their time is not measured.
    const ended = await Promise.all(
      Object.entries(places).map(async ([place, make]) => {
        const loops = await make(hidden);
        await loops.plain(steps);
        return { place, loops, memory: await loops.memory() };
      }),
    );
    for (const { place, loops, memory } of ended) {
      const vsScope = Number((await timeLoops(place, hidden, loops)).toFixed(3));
      const own = { mb: Math.round(memory.mb), peakMb: Math.round(memory.peakMb), vsScope };
      figures[place] = { ...figures[place], [`hidden${hidden}`]: own };
    }
  }
  console.log(`\n${JSON.stringify({ plainLoop: figures })}`);
}
