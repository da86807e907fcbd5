// `loraStepMemory.ts STEPS`: LoRA steps of the SmolLM2-135M shape in a process of its own; prints one JSON line.
import { init } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { loraStepCases, makeLoraStep } from "./loraStep.ts";
import { peakBytes } from "./peakBytes.ts";

/** What it prints. */
export interface LoraStepMemory {
  loss: number;
  peakBytes: number;
}

await init(wasm());
const step = makeLoraStep(loraStepCases.m135);
let loss = Number.NaN;
for (let i = 0; i < Number(process.argv[2]); i++) loss = step();
const result: LoraStepMemory = { loss, peakBytes: peakBytes() };
console.log(JSON.stringify(result));
