import { promptPass } from "../lib/serve/race.ts";
import { engineRacer, smolEngine } from "../lib/serve/startEngine.ts";
import type { ChildOptions, Parts } from "./subject.ts";

/** Number of sequences that decode in one batch. */
const rows = 32;
const promptRows = 128;
const rounds = 3;

/**
 * Times the serving engine with SmolLM2-135M: a decoding step of 32 sequences with 32 adapters, a decoding step
 * of 32 sequences with the base model, and a forward pass of a prompt. In milliseconds.
 */
export async function serve({ m135, adapters }: ChildOptions): Promise<Parts> {
  await using engine = await smolEngine(m135, { folder: adapters.folder, bytes: 1e9 });
  const base = new Array<null>(rows).fill(null);
  const racers = [
    { ...(await engineRacer("adapters32", engine, adapters.names)), tokens: rows },
    { ...(await engineRacer("base32", engine, base)), tokens: rows },
    { ...(await promptPass("prompt", m135, promptRows)), tokens: promptRows },
  ];
  const times = new Map(racers.map(({ name }) => [name, [] as number[]]));
  for (let round = -1; round < rounds; round++) {
    for (const { name, run, tokens } of racers) {
      const speed = await run();
      if (round >= 0) times.get(name)!.push((1000 * tokens) / speed);
    }
  }
  return Object.fromEntries([...times].map(([name, all]) => [name, all.toSorted((x, y) => x - y)[all.length >> 1]!]));
}
