// Compares training steps (forward, backward, AdamW) on random weights with PyTorch and PEFT, step by step in turn,
// with LoRA and with every parameter trained.
import { machine } from "./lib/measure.ts";
import { raceSteps, type StepRace, type StepVariant, startPython } from "./lib/stepRace.ts";
import { findNode26 } from "./lib/wideGemm.ts";

/** Total seconds of all races, so that the benchmark ends within six minutes. */
const SECONDS = 240;

const node26 = findNode26();
const wide: StepVariant[] =
  node26 === undefined
    ? []
    : [
        { name: "lowrank (Node 26, wide SIMD)", node: node26, options: { wideSimd: true }, overPyTorch: "m15_wide" },
        {
          ...{ name: "lowrank (the same, high precision)", node: node26 },
          ...{ options: { wideSimd: true, precision: "high" }, overPyTorch: "m15_wide_high" },
        },
      ];

/** The races by part. The first one runs first, so that Python's peak memory belongs to its step. */
const races: Readonly<Record<string, StepRace>> = {
  "SmolLM2's shape": {
    ...{ model: "m135", threads: 1, figure: "m135_t1", memory: "m135_memory" },
    variants: [
      {
        ...{ name: "lowrank (high precision)", options: { precision: "high" } },
        ...{ overPyTorch: "m135_high_t1", overOwn: "m135_high_t1_over_f32" },
      },
      {
        ...{ name: "lowrank (Q4_1, medium precision)", options: { precision: "medium", quantization: "q4_1" } },
        ...{ overPyTorch: "m135_q4_t1", overOwn: "m135_q4_t1_over_f32" },
      },
    ],
  },
  "15M parameters": {
    ...{ model: "m15", threads: 1, figure: "m15_t1" },
    variants: [
      {
        ...{ name: "lowrank (high precision)", options: { precision: "high" } },
        ...{ overPyTorch: "m15_high_t1", overOwn: "m15_high_t1_over_f32" },
      },
      { name: "lowrank (r 1)", options: { rank: 1 }, overOwn: "m15_r1_over_r8" },
      ...wide,
    ],
  },
  "rank 64": { model: "m15", threads: 1, rank: 64, figure: "m15_r64_t1" },
  "SmolLM2's shape on two threads": { model: "m135", threads: 2, figure: "m135_t2" },
  "15M parameters on two threads": { model: "m15", threads: 2, figure: "m15_t2" },
  "every parameter of 15M": { model: "m15", full: true, threads: 1, figure: "m15_full_t1" },
  "every parameter of SmolLM2's shape": { model: "m135", full: true, threads: 1, figure: "m135_full_t1" },
};

/** JSON keys by the part that measures them. */
export const parts: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(races).map(([part, { figure, memory, variants = [] }]) => {
    const all = [figure, memory, ...variants.flatMap(({ overPyTorch, overOwn }) => [overPyTorch, overOwn])];
    return [part, all.filter((name) => name !== undefined)];
  }),
);

/**
 * Prints tokens/s of both sides and one line of JSON with ratios of Lowrank over PyTorch. They cover LoRA on one and on
 * two threads in high precision, Q4_1 in medium precision (both also over Lowrank in f32), rank 64, wide SIMD, and
 * every parameter trained. Also: rank 1 over rank 8, and peak resident memory over PyTorch's, imports included. `only`
 * is the single part to run; default all.
 */
export async function bench(only?: string): Promise<void> {
  console.log(machine());
  await using python = await startPython();
  if (python) console.log(Object.entries(python.versions).flat().join(" "));
  const figures: Record<string, number> = {};
  const chosen = Object.entries(races).filter(([part]) => only === undefined || part === only);
  // Each contestant gets the same share of the time in all races.
  const sides = (race: StepRace) => 2 + (race.variants?.length ?? 0);
  const all = chosen.reduce((sum, [, race]) => sum + sides(race), 0);
  for (const [, race] of chosen) Object.assign(figures, await raceSteps(race, python, (SECONDS * sides(race)) / all));
  console.log(`\n${JSON.stringify({ step: figures })}`);
}
