import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { type Backend, init } from "@lowrank/core";
import { type CausalLM, loadModel } from "@lowrank/models";
import type { ServingEngine, ServingStats } from "@lowrank/serve";
import { wasm } from "@lowrank/wasm";
import { endlessRequests, uniform, zipf } from "../load/makeRequests.ts";
import { runUntil } from "../load/runLoad.ts";
import { runTogether, sameLengthRequests } from "./decodeTogether.ts";
import { printSpeeds, ratioOf, type Speeds } from "./race.ts";
import { writeRandomAdapters } from "./randomAdapters.ts";
import { type BenchEngine, startEngine } from "./startEngine.ts";

const [registered, resident, few] = [2000, 200, 5];
/** Number of requests per seed, and number of concurrent requests. */
const [count, concurrency] = [256, 64];

async function storiesEngine(model: string, folder: string, bytes: number): Promise<GatedEngine> {
  const gate = gatedBackend(await wasm({ batchInvariant: true }));
  const { backend } = gate;
  return { ...(await startEngine(model, { backend, store: { folder, bytes }, maxNumSeqs: 32 })), gate };
}

/** An engine that pauses while its gate is closed. */
interface GatedEngine extends BenchEngine {
  readonly gate: GatedBackend;
}

/** Returns the memory of one adapter in bytes. */
async function bytesOfOne(model: string, folder: string, name: string): Promise<number> {
  await using started = await storiesEngine(model, folder, 1e9);
  await runTogether(
    started.engine,
    sameLengthRequests({ ...started, adapters: [name], promptTokens: 2, newTokens: 1 }),
  );
  return (await started.engine.stats()).adapters.bytes;
}

/** Measures stories260K with far more adapters than fit into memory. */
export async function storeFigures(
  model: string,
  folder: string,
  seconds: number,
): Promise<Record<string, number | undefined>> {
  await init(wasm());
  const loaded = await loadModel(model);
  const place = join(folder, "stories");
  const names = await writeRandomAdapters(place, loaded.model as CausalLM, { count: registered, rank: () => 8 });
  const budget = resident * (await bytesOfOne(model, place, names[0]!));
  await using many = await storiesEngine(model, place, budget);
  await using fewer = await storiesEngine(model, place, budget);
  const over = new AbortController();
  const { vocabSize } = many;
  const kinds = { promptTokens: uniform(16, 48), newTokens: uniform(96, 160), vocabSize, count, seed: 100 };
  const load = ({ engine }: GatedEngine, adapters: readonly string[]) =>
    runUntil(
      over.signal,
      engine,
      endlessRequests({ ...kinds, adapters, popularity: zipf(adapters.length, 1) }),
      concurrency,
    );
  const stop = () => {
    over.abort();
    for (const { gate } of [many, fewer]) gate.open();
  };
  const loads = Promise.all([load(many, names), load(fewer, names.slice(0, few))]);
  const failure = loads.then(() => new Promise<never>(() => {}));
  let most = 0;
  const look = async () => {
    const { adapters } = await many.engine.stats();
    most = Math.max(most, adapters.bytes);
    return adapters;
  };
  const looks = setInterval(look, 10);
  try {
    for (const { gate } of [many, fewer]) gate.close();
    await Promise.race([warmUp(many, fewer, look), failure]);
    const runners = [
      { ...many, name: `${registered} adapters, ${resident} in memory` },
      { ...fewer, name: `${few} adapters` },
    ];
    const speeds = await Promise.race([takeTurns(runners, seconds), failure]);
    stop();
    await loads;
    console.log(
      `\nstories260K, LoRA r 8 on all linear layers, Zipf's law; prompts of 16 to 48 tokens, answers of 96 to 160`,
    );
    printSpeeds(speeds);
    const served = (await many.engine.adapters()).length;
    const { resident: kept, hits, loads: loaded, evictions } = await look();
    console.log(
      `${served} adapters registered, ${kept} in memory; ${hits} hits, ${loaded} loads, ${evictions} evictions; ` +
        `at most ${most} of ${budget} bytes`,
    );
    check(served === registered, `${served} adapters are registered, not ${registered}`);
    check(most <= budget, `adapters took ${most} bytes, above their budget of ${budget}`);
    check(kept > 0.9 * resident, `only ${kept} adapters are in memory; ${resident} fit`);
    return { adapters2000: ratioOf(speeds, runners[0]!.name, runners[1]!.name) };
  } finally {
    clearInterval(looks);
    stop();
  }
}

/** Runs one engine until its memory is full of adapters, then the other for a second. */
async function warmUp(
  many: GatedEngine,
  fewer: GatedEngine,
  look: () => Promise<ServingStats["adapters"]>,
): Promise<void> {
  many.gate.open();
  while ((await look()).evictions === 0) await setTimeout(100);
  many.gate.close();
  fewer.gate.open();
  await setTimeout(1000);
  fewer.gate.close();
}

function check(good: boolean, message: string): void {
  if (!good) throw new Error(`serve: ${message}`);
}

/** An engine with its own load, which runs while the gate of its backend is open. */
interface Runner {
  readonly name: string;
  readonly gate: GatedBackend;
  readonly engine: Pick<ServingEngine, "stats">;
}

/** Duration of a turn in milliseconds, and of the pause at its end, in which running file reads finish. */
const [turnMs, endMs] = [500, 4];

/**
 * Runs engines in turn, alternating the direction, until `seconds` are over, so that other load on the machine affects
 * all equally. All gates must be closed before the call and are closed afterwards. Returns new tokens per second, by
 * turn.
 */
export async function takeTurns(runners: readonly Runner[], seconds: number): Promise<Speeds> {
  const speeds = new Map(runners.map(({ name }) => [name, [] as number[]]));
  const end = performance.now() + 1000 * seconds;
  for (let round = 0; performance.now() < end; round++) {
    for (const runner of round % 2 === 0 ? runners : runners.toReversed()) {
      speeds.get(runner.name)!.push(await turn(runner));
    }
  }
  return speeds;
}

async function turn({ gate, engine }: Runner): Promise<number> {
  const before = (await engine.stats()).newTokens;
  const start = performance.now();
  gate.open();
  await setTimeout(turnMs);
  gate.close();
  await setTimeout(endMs);
  const seconds = (performance.now() - start) / 1000;
  return ((await engine.stats()).newTokens - before) / seconds;
}

/** A backend with a gate, which is open at first. */
interface GatedBackend {
  readonly backend: Backend;
  open(): void;
  close(): void;
}

/** Returns a backend whose reads wait while its gate is closed. An engine on it stops after its current pass. */
export function gatedBackend(inner: Backend): GatedBackend {
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  const read: Backend["read"] = async (...range) => {
    await gate.promise;
    return inner.read(...range);
  };
  return {
    backend: Object.create(inner, { read: { value: read } }),
    open: () => gate.resolve(),
    close: () => {
      gate = Promise.withResolvers<void>();
    },
  };
}
