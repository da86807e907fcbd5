import { type WasmBackend, wasm } from "@lowrank/wasm";
import { type BenchEngine, type BenchEngineOptions, startEngine } from "./startEngine.ts";

/** Options that keep the file's packed weights and multiply in integers. */
export const packed = { weights: "packed", activations: "int8" } as const;

/** Starts an engine on SmolLM2 from a GGUF file. Its cache is large enough for all prompts of a benchmark. */
export async function smolEngine(model: string, store?: BenchEngineOptions["store"]): Promise<BenchEngine> {
  const backend: WasmBackend = await wasm({ batchInvariant: true });
  const sizes = { maxNumSeqs: 32, maxModelLen: 512, kvCacheMemoryBytes: 2 ** 30 };
  return startEngine(model, { backend, store, load: packed, ...sizes });
}
