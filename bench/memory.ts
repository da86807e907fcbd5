// Whether memory grows over a long training, and the most that a LoRA step holds, against PyTorch with PEFT.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { init } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { loraStepCases } from "./lib/loraStep.ts";
import type { LoraStepMemory } from "./lib/loraStepMemory.ts";
import { machine, printTable } from "./lib/measure.ts";
import { smallTraining } from "./lib/smallTraining.ts";
import { startPython } from "./lib/startPython.ts";

const EARLY = 100;
const LATE = 10_000;
const PEAK_STEPS = 3;

const run = promisify(execFile);

/** What is held after many steps over what was held after few: tensors or WebAssembly memory, whichever grew more. */
async function growth(): Promise<number> {
  const backend = await wasm();
  await init(backend);
  const [early, late] = smallTraining(backend, [EARLY, LATE]);
  const mega = (bytes: number) => (bytes / 1e6).toFixed(3);
  console.log(`\nheld after steps of a small model, MB`);
  printTable(
    ["", `step ${EARLY}`, `step ${LATE}`],
    (["tensors", "wasm", "rss"] as const).map((name) => [name, mega(early![name]), mega(late![name])]),
  );
  return Math.max(late!.tensors / early!.tensors, late!.wasm / early!.wasm);
}

/** Peak resident bytes of a fresh process each, one thread, imports included; PyTorch's is undefined without it. */
async function peaks(): Promise<{ ours: number; theirs: number | undefined }> {
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, "lib/loraStepMemory.ts"), `${PEAK_STEPS}`]);
  const { peakBytes: ours } = JSON.parse(stdout) as LoraStepMemory;
  await using python = await startPython();
  if (!python) return { ours, theirs: undefined };
  await python.ask("make_lora_step", { ...loraStepCases.m135, threads: 1 });
  const { peakBytes: theirs } = await python.ask<{ peakBytes: number }>("run_lora_steps", { count: PEAK_STEPS });
  return { ours, theirs };
}

/** Ends with one line of JSON: `growth` is 1 where nothing grows; `m135_memory` is our peak over PyTorch's. */
export async function bench(): Promise<void> {
  console.log(machine());
  const round = (x: number) => Number(x.toFixed(4));
  const grown = await growth();
  const { ours, theirs } = await peaks();
  console.log(`\npeak resident memory of ${PEAK_STEPS} LoRA steps of the SmolLM2-135M shape, MB`);
  const rows = Object.entries({ lowrank: ours, pytorch: theirs }).filter(([, bytes]) => bytes !== undefined);
  printTable(
    ["", "peak"],
    rows.map(([name, bytes]) => [name, (Number(bytes) / 1e6).toFixed(0)]),
  );
  const step = theirs === undefined ? {} : { m135_memory: round(ours / theirs) };
  console.log(`\n${JSON.stringify({ memory: { growth: round(grown) }, step })}`);
}
