// The serving engine under load: many adapters in one batch against one adapter, against switching
// and against copies of the model; requests to the base against llama.cpp; thousands of adapters;
// and times to the first token under a Poisson load. One thread everywhere; an engine runs here, in
// this thread, which the load costs little.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sharedPath } from "../scripts/sharedFolder.ts";
import { machine } from "./lib/measure.ts";
import { smolFigures } from "./lib/serve/smolFigures.ts";
import { storeFigures } from "./lib/serve/storeFigures.ts";
import { type Part, TimeBudget } from "./lib/serve/timeBudget.ts";

/** All is to end within six minutes. */
const seconds = 350;

/** The figures by the part that measures them. */
export const parts: Readonly<Record<Part, readonly string[]>> = {
  "thousands of adapters": ["adapters2000"],
  "mixed batches": ["distinct32", "vsSwitching", "vsMerged"],
  "the base model": ["batch32VsPrompt"],
  "the base model beside adapters": ["baseOnly"],
  "llama.cpp": ["batch8VsLlamaCpp"],
  "the Poisson load": ["ttftP50", "ttftP95", "tokenP50", "tokenP95", "throughput"],
  "llama.cpp with other types of weights": ["batch8VsLlamaCppQ4_0", "batch8VsLlamaCppQ8_0"],
  "rank 64": ["distinct32r64"],
  wllama: ["batch8VsWllama"],
};

const need = "a part of the serving benchmark";

/**
 * Prints tables and ends with one line of JSON, by the medians of interleaved rounds. A figure
 * whose model or peer is not there has no key. `only` is the one part to run.
 */
export async function bench(only?: Part): Promise<void> {
  const budget = new TimeBudget(seconds, only);
  const smol = sharedPath("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf", need);
  const stories = sharedPath("models/stories260K-hf", need);
  console.log(machine());
  const folder = await mkdtemp(join(tmpdir(), "lowrank-serve-"));
  const figures: Record<string, number | undefined> = {};
  try {
    if (stories && budget.allows("thousands of adapters", 0)) {
      Object.assign(figures, await storeFigures(stories, folder, only ? 150 : 30));
    }
    if (smol && only !== "thousands of adapters") Object.assign(figures, await smolFigures(smol, folder, budget));
  } finally {
    await rm(folder, { recursive: true });
  }
  const rounded = Object.entries(figures).map(([name, value]) => [name, value && Number(value.toPrecision(3))]);
  console.log(`\n${JSON.stringify({ serve: Object.fromEntries(rounded) })}`);
}
