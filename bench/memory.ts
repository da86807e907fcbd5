// Measures the growth of memory over a long LoRA training, and the peak memory of a process that trains a real model.
import { init, memory } from "@lowrank/core";
import { type WasmBackend, wasm } from "@lowrank/wasm";
import { type LoraStepCase, makeLoraStep } from "./lib/loraStep.ts";
import { machine, printTable } from "./lib/measure.ts";
import { measureSmol } from "./lib/smolMemory.ts";

const EARLY = 100;
const LATE = 10_000;

/**
 * A model with a wide vocabulary and few other parameters: it needs more memory than a fresh WebAssembly memory has,
 * and a step takes a few milliseconds.
 */
const subject: LoraStepCase = {
  config: {
    model_type: "llama",
    vocab_size: 49152,
    hidden_size: 96,
    intermediate_size: 256,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    tie_word_embeddings: true,
  },
  batch: 1,
  tokens: 4,
  rank: 2,
  alpha: 4,
};

/** Bytes in use by live tensors, by the WebAssembly memory, and by the process. */
interface HeldBytes {
  tensors: number;
  wasm: number;
  rss: number;
}

function bytesHeldBy(backend: WasmBackend): HeldBytes {
  return { tensors: memory().bytes, wasm: backend.heapStats().length, rss: process.memoryUsage.rss() };
}

/**
 * Prints one line of JSON: the bytes late in the training over the bytes early in it, for tensors or the WebAssembly
 * memory (the larger ratio), and `SmolFigures`.
 */
export async function bench(): Promise<void> {
  const backend = await wasm();
  await init(backend);
  const fresh = bytesHeldBy(backend);
  const step = await makeLoraStep(subject);
  const after = (from: number, to: number): HeldBytes => {
    for (let done = from; done < to; done++) step();
    return bytesHeldBy(backend);
  };
  const early = after(0, EARLY);
  // A leak could go unnoticed in memory that was allocated from the start.
  if (early.tensors <= fresh.wasm) {
    throw new Error(
      `memory: the model holds ${early.tensors} bytes, which a fresh memory of ${fresh.wasm} has room for`,
    );
  }
  const late = after(EARLY, LATE);
  console.log(`${machine()}\n\nheld by a LoRA training on one thread, MB`);
  const mega = (bytes: number) => (bytes / 1e6).toFixed(3);
  printTable(
    ["", "before", `step ${EARLY}`, `step ${LATE}`],
    (["tensors", "wasm", "rss"] as const).map((name) => [
      name,
      ...[fresh, early, late].map((bytes) => mega(bytes[name])),
    ]),
  );
  const growth = Math.max(late.tensors / early.tensors, late.wasm / early.wasm);
  const figures = { growth: Number(growth.toFixed(4)), ...(await measureSmol()) };
  console.log(`\n${JSON.stringify({ memory: figures })}`);
}
