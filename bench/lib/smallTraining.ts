import { memory } from "@lowrank/core";
import type { WasmBackend } from "@lowrank/wasm";
import { makeLoraStep } from "./loraStep.ts";

/** What was held after a step, in bytes: by live tensors, by the WebAssembly memory, and by the process. */
export interface Held {
  tensors: number;
  wasm: number;
  rss: number;
}

/** Trains a very small model with LoRA on `backend`, the current one; tells what was held after each of `steps`. */
export function smallTraining(backend: WasmBackend, steps: readonly number[]): Held[] {
  const step = makeLoraStep({
    config: {
      model_type: "llama",
      vocab_size: 64,
      hidden_size: 16,
      intermediate_size: 32,
      num_hidden_layers: 2,
      num_attention_heads: 2,
    },
    batch: 2,
    tokens: 8,
    rank: 2,
    alpha: 4,
  });
  const held: Held[] = [];
  for (let done = 1; done <= Math.max(...steps); done++) {
    step();
    if (!steps.includes(done)) continue;
    held.push({ tensors: memory().bytes, wasm: backend.heapStats().length, rss: process.memoryUsage.rss() });
  }
  return held;
}
