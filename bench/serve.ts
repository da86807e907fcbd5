// Measures the serving engine under load: many adapters in one batch against one adapter, against switching adapters
// and against copies of the model; requests to the base model against llama.cpp; thousands of adapters; and times to
// the first token under a Poisson load. Everything uses one thread. The engine runs in this thread, where generating
// the load costs little.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sharedPath } from "@lowrank/test-support/folders";
import { machine } from "./lib/measure.ts";
import { type Part, TimeBudget } from "./lib/serve/race.ts";
import { smolFigures } from "./lib/serve/smolFigures.ts";
import { storeFigures } from "./lib/serve/storeFigures.ts";

/** Time limit in seconds, so that the benchmark ends within six minutes. */
const seconds = 350;

/** JSON keys by the part that measures them. */
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
 * Prints tables and one line of JSON with medians of interleaved rounds. Results whose model or peer is missing have no
 * key. `only` is the single part to run; default all.
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
