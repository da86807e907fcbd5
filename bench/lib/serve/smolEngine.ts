import { init } from "@lowrank/core";
import { type CausalLM, loadModel } from "@lowrank/models";
import { type WasmBackend, wasm } from "@lowrank/wasm";
import { writeRandomAdapters } from "./randomAdapters.ts";
import { type BenchEngine, type BenchEngineOptions, startEngine } from "./startEngine.ts";

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
