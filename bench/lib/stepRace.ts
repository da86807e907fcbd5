import type { Python } from "@lowrank/conformance/python";
import type { StepChildOptions } from "../peers/stepChild.ts";
import { compiledChild } from "./compiledChild.ts";
import { startLineServer } from "./lineServer.ts";
import { type LoraStepCase, loraStepCases } from "./loraStep.ts";
import { type Contestant, interleave, marginCell, printTable, type Timing } from "./measure.ts";
import type { StepResult } from "./serveSteps.ts";

const WARM_UPS = 2;
const ROUNDS = 11;
/** Six races of this length, and what comes before and between them, end within six minutes. */
const SECONDS = 40;

/** A training step to be timed. */
export interface StepRace {
  model: keyof typeof loraStepCases;
  full?: boolean;
  threads: number;
  /** Run our side once more in "high" precision. */
  high?: boolean;
  /** A Node 26 that runs our side once more, with wide SIMD. */
  wideNode?: string;
}

/** Our speed and our peak memory over PyTorch's; a figure is absent where one side of it is. */
export interface StepFigures {
  speed?: number;
  highSpeed?: number;
  /** Our speed in "high" precision over our own in f32. */
  highOverF32?: number;
  wideSpeed?: number;
  peakBytes?: number;
}

/** The request that makes the same step in Python. */
function pythonStep({ model, full, threads }: StepRace): Record<string, unknown> {
  const { config, batch, tokens, rank, alpha }: LoraStepCase = loraStepCases[model];
  return { config, batch, tokens, threads, lora: full ? null : { rank, alpha } };
}

function print(race: StepRace, timings: Map<string, Timing>, results: Map<string, StepResult>): void {
  const { batch, tokens, rank } = loraStepCases[race.model];
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

/** Weights and tokens are drawn by each side for itself, so that losses agree roughly. */
function checkLosses(results: Map<string, StepResult>): void {
  const losses = [...results.values()].map(({ loss }) => loss);
  if (!(Math.max(...losses) - Math.min(...losses) < 0.5)) {
    throw new Error(`step: after the same number of steps the losses are ${losses.join(", ")}`);
  }
}

/** A way to run our side. */
interface Variant extends Partial<Pick<StepChildOptions, "wideSimd" | "precision">> {}

/**
 * Times steps of ours, each kind in a fresh process, and of PyTorch in turn, and prints a table.
 */
export async function raceSteps(race: StepRace, python: Python | undefined): Promise<StepFigures> {
  const { model, full = false, threads, high = false, wideNode } = race;
  const results = new Map<string, StepResult>();
  const contestants: Contestant[] = [];
  const ends: (() => void)[] = [];
  const add = async (name: string, node: string, { wideSimd = false, precision = "highest" }: Variant = {}) => {
    const options: StepChildOptions = { model, full, threads, wideSimd, precision };
    const server = await startLineServer(node, [...(await compiledChild("peers/stepChild")), JSON.stringify(options)]);
    const run = async () => results.set(name, JSON.parse(await server.ask()) as StepResult);
    contestants.push({ name, run });
    ends.push(server.end);
  };
  const [ours, inHigh, wide] = ["lowrank", "lowrank (high precision)", "lowrank (Node 26, wide SIMD)"] as const;
  const theirs = "pytorch";
  await add(ours, process.execPath);
  if (high) await add(inHigh, process.execPath, { precision: "high" });
  if (wideNode !== undefined) await add(wide, wideNode, { wideSimd: true });
  if (python) {
    await python.ask("make_step", pythonStep(race));
    const run = async () => results.set(theirs, await python.ask<StepResult>("run_steps", { count: 1 }));
    contestants.push({ name: theirs, run });
  }
  const timings = await interleave(contestants, WARM_UPS, ROUNDS, SECONDS);
  for (const end of ends) end();
  print(race, timings, results);
  checkLosses(results);
  const own = timings.get(ours)!.median;
  const highOverF32 = high ? own / timings.get(inHigh)!.median : undefined;
  const rival = timings.get(theirs);
  if (!rival) return { highOverF32 };
  return {
    speed: rival.median / own,
    highSpeed: high ? rival.median / timings.get(inHigh)!.median : undefined,
    highOverF32,
    wideSpeed: wideNode === undefined ? undefined : rival.median / timings.get(wide)!.median,
    peakBytes: results.get(ours)!.peakBytes / results.get(theirs)!.peakBytes,
  };
}
