import { decodeSpeed, runTogether, sameLengthRequests } from "./decodeTogether.ts";
import type { Racer } from "./race.ts";
import type { BenchEngine } from "./startEngine.ts";

/** The tokens of each prompt: two pages of the cache, and one more. */
export const promptTokens = 33;
/** The tokens that each sequence decodes in a round. */
export const newTokens = 12;

/**
 * A contestant that decodes rows of an engine side by side, one for each adapter named, so many
 * tokens each.
 */
export async function engineRacer(
  name: string,
  { engine, vocabSize }: BenchEngine,
  adapters: readonly (string | null)[],
  tokens: number = newTokens,
): Promise<Racer> {
  const shape = { adapters, promptTokens, vocabSize };
  // Adapters are loaded here, and prompts read: from then on they come from shared pages.
  await runTogether(engine, sameLengthRequests({ ...shape, newTokens: 1 }));
  const requests = sameLengthRequests({ ...shape, newTokens: tokens });
  return { name, run: async () => decodeSpeed(await runTogether(engine, requests)) };
}
