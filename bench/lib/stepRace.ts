import { ensureEnvironment } from "@lowrank/conformance/environment";
import { Python } from "@lowrank/conformance/python";
import type { StepChildOptions } from "../peers/stepChild.ts";
import { compiledChild, startLineServer } from "./lineServer.ts";
import { loraStepCases, ofRank } from "./loraStep.ts";
import { type Contestant, interleave, marginCell, printTable, type Timing } from "./measure.ts";
import type { StepResult } from "./serveSteps.ts";

const WARM_UPS = 2;
const ROUNDS = 11;

/** A training step to time. */
export interface StepRace {
  model: keyof typeof loraStepCases;
  full?: boolean;
  threads: number;
  /** LoRA rank on both sides. Default: the case's rank. */
  rank?: number;
  /** JSON key of Lowrank's speed over PyTorch's. */
  figure?: string;
  /** JSON key of Lowrank's peak resident memory over PyTorch's, imports included. */
  memory?: string;
  /** Additional ways to run Lowrank's side. */
  variants?: readonly StepVariant[];
}

/** An additional way to run Lowrank's side. */
export interface StepVariant {
  name: string;
  options: Partial<StepChildOptions>;
  /** Path of the Node that runs it. Default: the current Node. */
  node?: string;
  /** JSON keys of its speed over PyTorch's, and over the race's own Lowrank step. */
  overPyTorch?: string;
  overOwn?: string;
}

/** Returns the request for the same step in Python. */
function pythonStep({ model, full, threads, rank: given }: StepRace): Record<string, unknown> {
  const { config, batch, tokens, rank, alpha } = ofRank(loraStepCases[model], given);
  return { config, batch, tokens, threads, lora: full ? null : { rank, alpha } };
}

function print(race: StepRace, timings: Map<string, Timing>, results: Map<string, StepResult>): void {
  const { batch, tokens, rank } = ofRank(loraStepCases[race.model], race.rank);
  const trained = race.full ? "every parameter trained" : `LoRA r ${rank} on all linear layers`;
  console.log(
    `\n${race.model}: B=${batch} T=${tokens}, ${trained}, ${race.threads} thread${race.threads > 1 ? "s" : ""}`,
  );
  const speed = (time: number) => ((1000 * batch * tokens) / time).toFixed(0);
  printTable(
    ["", "step ms", "best", "mean", "tokens/s", "best", "loss", "peak MB"],
    [...timings].map(([name, timing]) => {
      const { median, best } = timing;
      const { loss, peakBytes } = results.get(name)!;
      const end = [loss.toFixed(3), (peakBytes / 1e6).toFixed(0)];
      return [name, median.toFixed(1), best.toFixed(1), marginCell(timing), speed(median), speed(best), ...end];
    }),
  );
}

/** Each side draws its own random weights and tokens, so losses agree only roughly. */
function checkLosses(results: Map<string, StepResult>): void {
  const losses = [...results.values()].map(({ loss }) => loss);
  if (!(Math.max(...losses) - Math.min(...losses) < 0.5)) {
    throw new Error(`step: after the same number of steps the losses are ${losses.join(", ")}`);
  }
}

const [ours, theirs] = ["lowrank", "pytorch"] as const;

/**
 * Times Lowrank's steps, each variant in a fresh process, and PyTorch's in turn, for some seconds, and prints a table.
 * Returns the results by JSON key; keys that compare with PyTorch are missing without it.
 */
export async function raceSteps(
  race: StepRace,
  python: Python | undefined,
  seconds: number,
): Promise<Record<string, number>> {
  const { model, full = false, threads, rank, variants = [] } = race;
  const results = new Map<string, StepResult>();
  const contestants: Contestant[] = [];
  const ends: (() => void)[] = [];
  for (const { name, options, node = process.execPath } of [{ name: ours, options: {} } as StepVariant, ...variants]) {
    const plain = { model, full, threads, rank, wideSimd: false, precision: "highest" as const };
    const child = JSON.stringify({ ...plain, ...options } satisfies StepChildOptions);
    const server = await startLineServer(node, [...(await compiledChild("peers/stepChild")), child]);
    const run = async () => results.set(name, JSON.parse(await server.ask()) as StepResult);
    contestants.push({ name, run });
    ends.push(server.end);
  }
  if (python) {
    await python.ask("make_step", pythonStep(race));
    const run = async () => results.set(theirs, await python.ask<StepResult>("run_steps", { count: 1 }));
    contestants.push({ name: theirs, run });
  }
  const timings = await interleave(contestants, WARM_UPS, ROUNDS, seconds);
  for (const end of ends) end();
  print(race, timings, results);
  checkLosses(results);
  return figuresOf(race, timings, results);
}

function figuresOf(
  { figure, memory, variants = [] }: StepRace,
  timings: Map<string, Timing>,
  results: Map<string, StepResult>,
): Record<string, number> {
  const figures: Record<string, number> = {};
  const note = (name: string | undefined, value: number) => {
    if (name !== undefined && Number.isFinite(value)) figures[name] = Number(value.toFixed(3));
  };
  const timeOf = (name: string) => timings.get(name)?.median ?? Number.NaN;
  const peakOf = (name: string) => results.get(name)?.peakBytes ?? Number.NaN;
  note(figure, timeOf(theirs) / timeOf(ours));
  for (const { name, overPyTorch, overOwn } of variants) {
    note(overPyTorch, timeOf(theirs) / timeOf(name));
    note(overOwn, timeOf(ours) / timeOf(name));
  }
  note(memory, peakOf(ours) / peakOf(theirs));
  return figures;
}

/** Starts Python with PyTorch and PEFT as a server; returns undefined, after a notice, if they are missing. */
export async function startPython(): Promise<Python | undefined> {
  const { python, skipped } = await ensureEnvironment();
  if (python) return Python.start(python);
  console.log(`absent: PyTorch with PEFT (${skipped}); there is no ratio`);
  return undefined;
}
