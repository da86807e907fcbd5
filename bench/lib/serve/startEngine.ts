import { type Backend, init } from "@lowrank/core";
import { type CausalLM, type LoadModelOptions, loadModel } from "@lowrank/models";
import { adapterStore, createEngine, type EngineOptions, folderPlace, type ServingEngine } from "@lowrank/serve";
import { type WasmBackend, wasm } from "@lowrank/wasm";
import { decodeSpeed, runTogether, sameLengthRequests } from "./decodeTogether.ts";
import type { Racer } from "./race.ts";
import { writeRandomAdapters } from "./randomAdapters.ts";

/** Options of a benchmark's engine, including options of `createEngine`. */
interface BenchEngineOptions extends Partial<EngineOptions> {
  readonly backend: Backend;
  readonly load?: LoadModelOptions;
  /** A folder of adapter folders that requests name, and the adapters' maximum memory in bytes. */
  readonly store?: { readonly folder: string; readonly bytes: number };
}

/** An engine that is closed when its `await using` block ends. */
export interface BenchEngine extends AsyncDisposable {
  readonly engine: ServingEngine;
  readonly vocabSize: number;
}

/** Loads a model and starts an engine on it in this thread. */
export async function startEngine(source: string, given: BenchEngineOptions): Promise<BenchEngine> {
  const { backend, load, store, ...options } = given;
  await init(backend);
  const { model, tokenizer } = await loadModel(source, load);
  const engine = await createEngine({
    model: model as CausalLM,
    tokenizer: tokenizer!,
    servedModelName: "bench",
    ...options,
    ...(store && { adapters: adapterStore({ place: folderPlace(store.folder), maxAdapterBytes: store.bytes }) }),
  });
  return {
    engine,
    vocabSize: (model as CausalLM).vocabSize,
    async [Symbol.asyncDispose]() {
      await engine.close();
      for (const parameter of model.parameters()) parameter.dispose();
    },
  };
}

/** Options that keep the file's packed weights and multiply in integers. */
export const packed = { weights: "packed", activations: "int8" } as const;

/** Starts an engine on SmolLM2 from a GGUF file. Its cache is large enough for all prompts of a benchmark. */
export async function smolEngine(model: string, store?: BenchEngineOptions["store"]): Promise<BenchEngine> {
  const backend: WasmBackend = await wasm({ batchInvariant: true });
  const sizes = { maxNumSeqs: 32, maxModelLen: 512, kvCacheMemoryBytes: 2 ** 30 };
  return startEngine(model, { backend, store, load: packed, ...sizes });
}

/** Writes 32 adapters of a rank for SmolLM2 and returns the names of their folders. */
export async function adaptersOf(model: string, folder: string, rank: number): Promise<string[]> {
  await init(wasm());
  const loaded = await loadModel(model, packed);
  const names = await writeRandomAdapters(folder, loaded.model as CausalLM, { count: 32, rank: () => rank });
  for (const parameter of loaded.model.parameters()) parameter.dispose();
  return names;
}

/** Number of tokens of each prompt: two pages of the cache plus one token. */
export const promptTokens = 33;
/** Number of tokens that each sequence decodes per round. */
export const newTokens = 12;

/**
 * Returns a contestant that decodes one row per adapter concurrently on an engine, `newTokens` tokens each by default.
 */
export async function engineRacer(
  name: string,
  { engine, vocabSize }: BenchEngine,
  adapters: readonly (string | null)[],
  tokens: number = newTokens,
): Promise<Racer> {
  const shape = { adapters, promptTokens, vocabSize };
  // Load the adapters and run the prompts now. Later rounds reuse the prompts' cached pages.
  await runTogether(engine, sameLengthRequests({ ...shape, newTokens: 1 }));
  const requests = sameLengthRequests({ ...shape, newTokens: tokens });
  return { name, run: async () => decodeSpeed(await runTogether(engine, requests)) };
}
