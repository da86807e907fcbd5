import { setTimeout } from "node:timers/promises";
import type { ServingEngine } from "@lowrank/serve";
import type { GatedBackend } from "./gatedBackend.ts";
import type { Speeds } from "./race.ts";

/** An engine under a load of its own, which runs while the gate of its backend is open. */
export interface Runner {
  readonly name: string;
  readonly gate: GatedBackend;
  readonly engine: Pick<ServingEngine, "stats">;
}

/** Milliseconds of a turn, and of its end, in which files that are being read still come in. */
const [turnMs, endMs] = [500, 4];

/**
 * Lets engines run in turn, forwards and backwards, until the seconds are over: what else slows a
 * machine down for more than a turn meets all alike. All gates are to be closed, and are closed
 * after it. Returns new tokens a second, turn by turn.
 */
export async function takeTurns(runners: readonly Runner[], seconds: number): Promise<Speeds> {
  const speeds = new Map(runners.map(({ name }) => [name, [] as number[]]));
  const end = performance.now() + 1000 * seconds;
  for (let round = 0; performance.now() < end; round++) {
    for (const runner of round % 2 === 0 ? runners : runners.toReversed()) {
      speeds.get(runner.name)!.push(await turn(runner));
    }
  }
  return speeds;
}

async function turn({ gate, engine }: Runner): Promise<number> {
  const before = (await engine.stats()).newTokens;
  const start = performance.now();
  gate.open();
  await setTimeout(turnMs);
  gate.close();
  await setTimeout(endMs);
  const seconds = (performance.now() - start) / 1000;
  return ((await engine.stats()).newTokens - before) / seconds;
}
