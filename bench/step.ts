// A training step (forward, backward, AdamW) on random weights against PyTorch with PEFT, step by
// step in turn: LoRA, and every parameter.
import { machine } from "./lib/measure.ts";
import { findNode26 } from "./lib/node26.ts";
import { startPython } from "./lib/startPython.ts";
import { raceSteps, type StepRace } from "./lib/stepRace.ts";

/**
 * Prints tokens/s of both sides and ends with one line of JSON: ours over PyTorch's with LoRA on
 * one and on two threads, in high precision (that over our f32 too), with wide SIMD, and with every
 * parameter trained; and our peak resident memory over PyTorch's, imports included.
 */
export async function bench(): Promise<void> {
  console.log(machine());
  const python = await startPython();
  if (python) console.log(Object.entries(python.versions).flat().join(" "));
  const figures: Record<string, number> = {};
  const note = (key: string, value: number | undefined) => {
    if (value !== undefined) figures[key] = Number(value.toFixed(3));
  };
  const races: StepRace[] = [
    // The first, so that Python's peak is that of this step.
    { model: "m135", threads: 1, high: true },
    { model: "m15", threads: 1, high: true, wideNode: findNode26() },
    { model: "m135", threads: 2 },
    { model: "m15", threads: 2 },
    { model: "m15", full: true, threads: 1 },
    { model: "m135", full: true, threads: 1 },
  ];
  for (const [i, race] of races.entries()) {
    const { speed, highSpeed, highOverF32, wideSpeed, peakBytes } = await raceSteps(race, python);
    note(`${race.model}${race.full ? "_full" : ""}_t${race.threads}`, speed);
    note(`${race.model}_high_t${race.threads}`, highSpeed);
    note(`${race.model}_high_t${race.threads}_over_f32`, highOverF32);
    note(`${race.model}_wide`, wideSpeed);
    if (i === 0) note(`${race.model}_memory`, peakBytes);
  }
  await python?.[Symbol.asyncDispose]();
  console.log(`\n${JSON.stringify({ step: figures })}`);
}
