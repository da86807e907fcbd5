import { join } from "node:path";
import { init } from "@lowrank/core";
import { type CausalLM, loadModel } from "@lowrank/models";
import type { ServingStats } from "@lowrank/serve";
import { wasm } from "@lowrank/wasm";
import { uniform, zipf } from "../load/draws.ts";
import { makeRequests } from "../load/makeRequests.ts";
import { runConcurrent } from "../load/runLoad.ts";
import { summarize } from "../load/summarize.ts";
import { runTogether, sameLengthRequests } from "./decodeTogether.ts";
import { printSpeeds, type Racer, race, ratioOf } from "./race.ts";
import { writeRandomAdapters } from "./randomAdapters.ts";
import { type BenchEngine, startEngine } from "./startEngine.ts";

const [registered, resident, few] = [2000, 200, 5];
/** Requests of a round, and how many of them are under way at once. */
const [count, concurrency] = [256, 64];

async function storiesEngine(model: string, folder: string, bytes: number): Promise<BenchEngine> {
  const backend = await wasm({ batchInvariant: true });
  return startEngine(model, { backend, store: { folder, bytes }, maxNumSeqs: 32 });
}

/** Returns the bytes that one adapter takes in memory. */
async function bytesOfOne(model: string, folder: string, name: string): Promise<number> {
  await using started = await storiesEngine(model, folder, 1e9);
  await runTogether(
    started.engine,
    sameLengthRequests({ ...started, adapters: [name], promptTokens: 2, newTokens: 1 }),
  );
  return (await started.engine.stats()).adapters.bytes;
}

/** Runs `work` and looks at the adapters of an engine all the while. */
async function watching<T>(
  { engine }: BenchEngine,
  look: (adapters: ServingStats["adapters"]) => void,
  work: () => Promise<T>,
): Promise<T> {
  let over = false;
  const looks = (async () => {
    while (!over) {
      look((await engine.stats()).adapters);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  try {
    return await work();
  } finally {
    over = true;
    await looks;
  }
}

/** Figures of stories260K with far more adapters than memory may hold. Rounds differ by a third. */
export async function storeFigures(
  model: string,
  folder: string,
  limits: { rounds: number; seconds: number },
): Promise<Record<string, number | undefined>> {
  await init(wasm());
  const loaded = await loadModel(model);
  const place = join(folder, "stories");
  const names = await writeRandomAdapters(place, loaded.model as CausalLM, { count: registered, rank: () => 8 });
  const budget = resident * (await bytesOfOne(model, place, names[0]!));
  await using started = await storiesEngine(model, place, budget);
  const { engine, vocabSize } = started;
  let seed = 100;
  let most = 0;
  const look = ({ bytes }: ServingStats["adapters"]) => {
    most = Math.max(most, bytes);
  };
  const racer = (name: string, adapters: readonly string[]): Racer => ({
    name,
    run: async () => {
      const kinds = { promptTokens: uniform(16, 48), newTokens: uniform(96, 160), vocabSize };
      const popularity = zipf(adapters.length, 1);
      const requests = makeRequests({ ...kinds, count, seed: seed++, adapters, popularity });
      const records = await watching(started, look, () => runConcurrent(engine, requests, concurrency));
      const summary = summarize(records, concurrency);
      const failed = records.find(({ error }) => error !== null);
      if (failed) throw new Error(`serve: ${summary.failed} requests failed, the first: ${failed.error?.message}`);
      return summary.tokensPerSecond;
    },
  });
  const [many, fewer] = [`${registered} adapters, ${resident} in memory`, `${few} adapters`];
  const speeds = await race([racer(many, names), racer(fewer, names.slice(0, few))], limits);
  const served = (await engine.adapters()).length;
  const { adapters } = await engine.stats();
  console.log(
    `\nstories260K, LoRA r 8 on all linear layers, Zipf's law; prompts of 16 to 48 tokens, answers of 96 to 160`,
  );
  printSpeeds(speeds);
  console.log(
    `${served} adapters registered, ${adapters.resident} in memory; ${adapters.hits} hits, ` +
      `${adapters.loads} loads, ${adapters.evictions} evictions; at most ${most} of ${budget} bytes`,
  );
  check(served === registered, `${served} adapters are registered, not ${registered}`);
  check(most <= budget, `adapters took ${most} bytes, above their budget of ${budget}`);
  check(adapters.resident > 0.9 * resident, `only ${adapters.resident} adapters are in memory; ${resident} fit`);
  check(adapters.evictions > 0, "no adapter was evicted");
  return { adapters2000: ratioOf(speeds, many, fewer) };
}

function check(good: boolean, message: string): void {
  if (!good) throw new Error(`serve: ${message}`);
}
