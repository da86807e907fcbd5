import { rm } from "node:fs/promises";
import { join } from "node:path";
import { llamaFigures, otherLlamaFigures } from "./llamaFigures.ts";
import { copies, switching } from "./loneRacers.ts";
import { poissonLoad } from "./poissonLoad.ts";
import { type Part, printSpeeds, promptPass, race, ratioOf, type TimeBudget } from "./race.ts";
import { adaptersOf, type BenchEngine, engineRacer, smolEngine } from "./startEngine.ts";
import { wllamaFigures } from "./wllamaFigures.ts";

type Figures = Record<string, number | undefined>;

const rows = 32;
const merged = 4;
const rounds = 5;
const [mixedSeconds, rank64Seconds, baseSeconds] = [45, 20, 12];
/** Short interleaved runs, so that other load on the machine affects all contestants equally. */
const [shortTokens, shortRounds, shortSeconds] = [6, 40, 20];

/** Returns a list with the base model (null) for each of `count` rows. */
const base = (count: number): null[] => new Array<null>(count).fill(null);

const [distinct, same] = ["32 rows, 32 adapters", "32 rows, one adapter"];

const distinctRacers = async (engine: BenchEngine, names: readonly string[]) => [
  await engineRacer(distinct, engine, names),
  await engineRacer(same, engine, new Array<string>(rows).fill(names[0]!)),
];

/** Measures SmolLM2 from a Q4_1 GGUF file: mixed batches, the base model alone, and a Poisson load. */
export async function smolFigures(model: string, folder: string, budget: TimeBudget): Promise<Figures> {
  const place = join(folder, "r8");
  const names = await adaptersOf(model, place, 8);
  await using lora = await smolEngine(model, { folder: place, bytes: 1e9 });
  const figures: Figures = {};
  const add = async (part: Part, seconds: number, run: () => Promise<Figures>) => {
    if (budget.allows(part, seconds)) Object.assign(figures, await run());
  };
  await add("mixed batches", 65, () => mixedFigures(model, lora, place, names));
  await add("the base model", 18, () => baseFigures(model));
  await add("the base model beside adapters", 22, () => besideFigures(model, lora, names));
  await add("llama.cpp", 20, () => llamaFigures(model));
  await add("the Poisson load", 50, () => poissonLoad(lora, names));
  await add("llama.cpp with other types of weights", 45, () => otherLlamaFigures(model, folder));
  await add("rank 64", 55, () => rank64Figures(model, join(folder, "r64")));
  await add("wllama", 45, () => wllamaFigures(model));
  return figures;
}

async function mixedFigures(
  model: string,
  lora: BenchEngine,
  folder: string,
  names: readonly string[],
): Promise<Figures> {
  const [switched, some, copied] = ["32 adapters, switched", `${merged} rows, ${merged} adapters`, `${merged} copies`];
  const racers = [
    ...(await distinctRacers(lora, names)),
    await switching(switched, model, folder, names),
    await engineRacer(some, lora, names.slice(0, merged)),
    await copies(copied, model, merged),
  ];
  console.log("\nSmolLM2-135M Q4_1, integer activations; LoRA r 8 on all linear layers, files in f16; decoding");
  const speeds = await race(racers, { rounds, seconds: mixedSeconds });
  printSpeeds(speeds);
  return {
    distinct32: ratioOf(speeds, distinct, same),
    vsSwitching: ratioOf(speeds, distinct, switched),
    vsMerged: ratioOf(speeds, some, copied),
  };
}

async function baseFigures(model: string): Promise<Figures> {
  const [many, pass] = ["32 rows, decoding", "128 rows of a prompt, all logits"];
  await using plain = await smolEngine(model);
  const racers = [await engineRacer(many, plain, base(rows)), await promptPass(pass, model, 128)];
  console.log("\nThe same, requests to the base model");
  const speeds = await race(racers, { rounds, seconds: baseSeconds });
  printSpeeds(speeds);
  return { batch32VsPrompt: ratioOf(speeds, many, pass) };
}

async function besideFigures(model: string, lora: BenchEngine, names: readonly string[]): Promise<Figures> {
  const [without, resident] = ["8 rows, engine without LoRA", "8 rows, 32 adapters in memory"];
  await using plain = await smolEngine(model);
  // From here on, adapters are in memory.
  await engineRacer(distinct, lora, names);
  const racers = [
    await engineRacer(without, plain, base(8), shortTokens),
    await engineRacer(resident, lora, base(8), shortTokens),
  ];
  console.log("\nThe same, short runs in turn");
  const speeds = await race(racers, { rounds: shortRounds, seconds: shortSeconds });
  printSpeeds(speeds);
  return { baseOnly: ratioOf(speeds, resident, without) };
}

async function rank64Figures(model: string, folder: string): Promise<Figures> {
  const names = await adaptersOf(model, folder, 64);
  await using engine = await smolEngine(model, { folder, bytes: 3e9 });
  const racers = await distinctRacers(engine, names);
  console.log("\nLoRA r 64 on all linear layers");
  const speeds = await race(racers, { rounds, seconds: rank64Seconds });
  printSpeeds(speeds);
  await rm(folder, { recursive: true });
  return { distinct32r64: ratioOf(speeds, distinct, same) };
}
