// The process that tries cases, one after the other, and reports each.
import { init } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { describeCase, makeCase, tryCase } from "./fuzzCase.ts";
import { readSamples } from "./sample.ts";
import type { Verdict } from "./tallyTable.ts";

/** The cases for a child process. */
export interface Job {
  /** The folder of undamaged files. */
  readonly samples: string;
  /** An empty folder for damaged files. */
  readonly room: string;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
}

/** The outcome of one case, as a child process reports it. */
export interface Report {
  readonly number: number;
  readonly verdict: Verdict;
  /** The file's kind: its name, without digits. */
  readonly kind: string;
  /** The sample and its mutation. */
  readonly what: string;
  readonly message?: string;
  readonly stack?: string;
}

/** The most bytes by which resident memory may grow for any file (500 MiB). */
const mostGrowth = 500 * 2 ** 20;

console.warn = () => {};
let stray: unknown;
process.on("unhandledRejection", (error) => {
  stray = error;
});

const peak = () => process.resourceUsage().maxRSS * 1024;

process.once("message", async ({ samples: folder, room, seed, from, to }: Job) => {
  await init(wasm());
  const samples = await readSamples(folder);
  process.send?.("ready");
  for (let number = from; number < to; number++) {
    const one = makeCase(samples, seed, number);
    const [start, high] = [process.memoryUsage.rss(), peak()];
    stray = undefined;
    let { verdict, error } = await tryCase(one, room);
    await new Promise((resolve) => setImmediate(resolve));
    if (stray !== undefined) [verdict, error] = ["foreign", stray];
    // The peak belongs to this case only if it has risen.
    const grown = peak() > high ? peak() - start : 0;
    if (grown > mostGrowth) [verdict, error] = ["growth", new Error(`it took ${Math.round(grown / 2 ** 20)} MB`)];
    const report: Report = {
      ...{ number, verdict },
      ...describeCase(one),
      ...(error !== undefined && { message: String((error as Error)?.message ?? error).slice(0, 400) }),
      ...(verdict !== "clear" && { stack: String((error as Error)?.stack ?? "").slice(0, 3000) }),
    };
    process.send?.(report);
    if (verdict === "growth") break;
  }
  process.disconnect();
});
