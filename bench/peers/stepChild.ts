// `stepChild.ts OPTIONS`: training steps in a process of its own: says a line when it is ready, then for each line on stdin
// does one step and prints one JSON line.
import { createInterface } from "node:readline";
import { init } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { loraStepCases, makeFullStep, makeLoraStep } from "../lib/loraStep.ts";
import { peakBytes } from "../lib/peakBytes.ts";

/** What it is told, as JSON. */
export interface StepChildOptions {
  model: keyof typeof loraStepCases;
  /** Whether every parameter trains, without LoRA. */
  full: boolean;
  threads: number;
  wideSimd: boolean;
}

/** What it answers, and Python too: the loss before the step, and the most memory the process has held. */
export interface StepResult {
  loss: number;
  peakBytes: number;
}

const { model, full, threads, wideSimd } = JSON.parse(process.argv[2]!) as StepChildOptions;
const backend = await wasm({ threads, wideSimd });
if (backend.threads !== threads) throw new Error(`step: ${backend.threads} threads instead of ${threads}`);
await init(backend);
const step = (full ? makeFullStep : makeLoraStep)(loraStepCases[model]);
console.log("ready");
for await (const _ of createInterface({ input: process.stdin })) {
  const result: StepResult = { loss: step(), peakBytes: peakBytes() };
  console.log(JSON.stringify(result));
}
