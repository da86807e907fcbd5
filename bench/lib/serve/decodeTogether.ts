import { Generator } from "@lowrank/core";
import type { ServingEngine, ServingRequest } from "@lowrank/serve";
import { recordRequest } from "../load/runLoad.ts";

/** Parameters of requests that decode concurrently. */
export interface TogetherOptions {
  /** The adapter of each request; null is the base model. */
  readonly adapters: readonly (string | null)[];
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly vocabSize: number;
}

/** Makes greedy requests of the same length with different prompts. */
export function sameLengthRequests({
  adapters,
  promptTokens,
  newTokens,
  vocabSize,
}: TogetherOptions): ServingRequest[] {
  const generator = new Generator(11);
  return adapters.map((adapter, i) => {
    const tokens = new Int32Array(promptTokens);
    generator.fillInt(tokens, 0, vocabSize);
    return {
      ...{ id: `together-${i}`, prompt: { tokens: [...tokens] }, adapter, tenant: "bench" },
      ...{ maxNewTokens: newTokens, sampling: { temperature: 0 }, ignoreEos: true },
    };
  });
}

/** The times of each sequence's tokens, in milliseconds. */
export type TokenTimes = readonly (readonly number[])[];

/**
 * Returns tokens per second, from the moment when all sequences have their first token to the last token of all. Throws
 * if they did not decode concurrently.
 */
export function decodeSpeed(times: TokenTimes): number {
  const begin = Math.max(...times.map(([first]) => first!));
  const end = Math.max(...times.map((tokens) => tokens.at(-1)!));
  const all = times.flat();
  const tokens = all.filter((time) => time > begin).length;
  if (tokens < 0.8 * all.length) {
    throw new Error(
      `serve: of ${all.length} tokens ${tokens} came once all sequences ran; they were to run side by side`,
    );
  }
  return (1000 * tokens) / (end - begin);
}

/** Runs requests concurrently and returns the times of their tokens. Throws if one fails. */
export async function runTogether(engine: ServingEngine, requests: readonly ServingRequest[]): Promise<TokenTimes> {
  const records = await Promise.all(requests.map((request) => recordRequest(engine, request)));
  for (const { error } of records) if (error) throw error;
  return records.map(({ tokens }) => tokens);
}
