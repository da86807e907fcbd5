import { decodeSpeed, runTogether, sameLengthRequests } from "./decodeTogether.ts";
import type { Racer } from "./race.ts";
import type { BenchEngine } from "./startEngine.ts";

/** Number of tokens of each prompt: two pages of the cache plus one token. */
export const promptTokens = 33;
/** Number of tokens that each sequence decodes per round. */
export const newTokens = 12;

/**
 * Returns a contestant that decodes one row per adapter concurrently on an engine, `newTokens` tokens each by default.
 */
export async function engineRacer(
  name: string,
  { engine, vocabSize }: BenchEngine,
  adapters: readonly (string | null)[],
  tokens: number = newTokens,
): Promise<Racer> {
  const shape = { adapters, promptTokens, vocabSize };
  // Load the adapters and run the prompts now. Later rounds reuse the prompts' cached pages.
  await runTogether(engine, sameLengthRequests({ ...shape, newTokens: 1 }));
  const requests = sameLengthRequests({ ...shape, newTokens: tokens });
  return { name, run: async () => decodeSpeed(await runTogether(engine, requests)) };
}
