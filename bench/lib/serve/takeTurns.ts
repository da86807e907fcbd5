import { setTimeout } from "node:timers/promises";
import type { ServingEngine } from "@lowrank/serve";
import type { GatedBackend } from "./gatedBackend.ts";
import type { Speeds } from "./race.ts";

/** An engine with its own load, which runs while the gate of its backend is open. */
export interface Runner {
  readonly name: string;
  readonly gate: GatedBackend;
  readonly engine: Pick<ServingEngine, "stats">;
}

/** Duration of a turn in milliseconds, and of the pause at its end, in which running file reads finish. */
const [turnMs, endMs] = [500, 4];

/**
 * Runs engines in turn, alternating the direction, until `seconds` are over, so that other load on the machine affects
 * all equally. All gates must be closed before the call and are closed afterwards. Returns new tokens per second, by
 * turn.
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
