import { Generator, init, noGrad, scope, sync, tensor } from "@lowrank/core";
import { type CausalLM, loadModel } from "@lowrank/models";
import { wasm } from "@lowrank/wasm";
import { median, printTable, statisticsOf } from "../measure.ts";
import { packed } from "./startEngine.ts";

/** A contestant. `run` does some work and returns its speed in tokens per second. */
export interface Racer {
  readonly name: string;
  run(): Promise<number>;
}

/** Speeds in tokens per second, by contestant and round. */
export type Speeds = ReadonlyMap<string, readonly number[]>;

const leastRounds = 3;

/**
 * Runs all contestants in turn, after one unmeasured round, until the limit of rounds or seconds, but at least three
 * rounds.
 */
export async function race(racers: readonly Racer[], limits: { rounds: number; seconds: number }): Promise<Speeds> {
  const speeds = new Map(racers.map(({ name }) => [name, [] as number[]]));
  const end = performance.now() + 1000 * limits.seconds;
  for (let round = -1; round < limits.rounds; round++) {
    if (round >= leastRounds && performance.now() > end) break;
    // Alternate the direction, so that a slowdown during a round affects all contestants equally.
    for (const { name, run } of round % 2 === 0 ? racers : racers.toReversed()) {
      const speed = await run();
      if (round >= 0) speeds.get(name)!.push(speed);
    }
  }
  return speeds;
}

/**
 * Returns the median of the rounds' ratios, so that a slow round has no effect. Undefined if one of the two did not
 * run.
 */
export function ratioOf(speeds: Speeds, over: string, under: string): number | undefined {
  const [above, below] = [speeds.get(over), speeds.get(under)];
  if (!above || !below) return undefined;
  return median(above.map((speed, round) => speed / below[round]!));
}

/** Prints a line for each contestant. */
export function printSpeeds(speeds: Speeds): void {
  printTable(
    ["tokens/s", "median", "best", "mean"],
    [...speeds].map(([name, all]) => {
      const margin = statisticsOf(all).rme;
      return [name, median(all).toFixed(1), Math.max(...all).toFixed(1), `±${margin.toFixed(1)} % of ${all.length}`];
    }),
  );
}

/** A part of the serving benchmark. */
export type Part =
  | "thousands of adapters"
  | "mixed batches"
  | "the base model"
  | "the base model beside adapters"
  | "llama.cpp"
  | "the Poisson load"
  | "llama.cpp with other types of weights"
  | "rank 64"
  | "wllama";

/** The time limit of a benchmark. Parts that would exceed it are skipped with a message. */
export class TimeBudget {
  readonly #end: number;
  readonly #only: Part | undefined;

  /** `only` is the single part to run. Default: all parts. */
  constructor(seconds: number, only?: Part) {
    this.#end = performance.now() + 1000 * seconds;
    this.#only = only;
  }

  /** Returns true if a part that takes `seconds` on an idle machine should run. */
  allows(part: Part, seconds: number): boolean {
    if (this.#only !== undefined) return part === this.#only;
    const left = (this.#end - performance.now()) / 1000;
    if (seconds <= left) return true;
    console.log(`\nleft out: ${part}, which takes ${seconds} s; ${Math.max(0, left).toFixed(0)} s are left`);
    return false;
  }
}

/** Returns a contestant that runs a prompt of `rows` tokens and computes the logits of all of them. */
export async function promptPass(name: string, model: string, rows: number): Promise<Racer> {
  const backend = await init(wasm({ batchInvariant: true }));
  const loaded = await loadModel(model, packed);
  const causal = loaded.model.eval() as CausalLM;
  const tokens = new Int32Array(rows);
  new Generator(2).fillInt(tokens, 0, causal.vocabSize);
  const run = async () => {
    const start = performance.now();
    noGrad(() => scope(() => void causal.forward({ inputIds: tensor(tokens, { shape: [1, rows], backend }) })));
    await sync(backend);
    return (1000 * rows) / (performance.now() - start);
  };
  return { name, run };
}
