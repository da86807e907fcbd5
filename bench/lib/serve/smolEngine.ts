import { type WasmBackend, wasm } from "@lowrank/wasm";
import { type BenchEngine, type BenchEngineOptions, startEngine } from "./startEngine.ts";

/** The weights as the file has them, multiplied in integers. */
export const packed = { weights: "packed", activations: "int8" } as const;

/** An engine on SmolLM2 as a GGUF file, whose pages hold all prompts of a benchmark. */
export async function smolEngine(model: string, store?: BenchEngineOptions["store"]): Promise<BenchEngine> {
  const backend: WasmBackend = await wasm({ batchInvariant: true });
  const sizes = { maxNumSeqs: 32, maxModelLen: 512, kvCacheMemoryBytes: 2 ** 30 };
  return startEngine(model, { backend, store, load: packed, ...sizes });
}
