import { Generator } from "@lowrank/core";
import type { ServingRequest } from "@lowrank/serve";
import type { Draw } from "./draws.ts";

/** Parameters of a load of requests. */
export interface RequestKinds {
  readonly count: number;
  readonly seed: number;
  /** Names of adapters, the most popular first; null is the base model. */
  readonly adapters: readonly (string | null)[];
  /** Draws an index into `adapters` for a request. */
  readonly popularity: Draw;
  readonly promptTokens: Draw;
  readonly newTokens: Draw;
  readonly vocabSize: number;
}

/**
 * Makes greedy requests with random tokens that always generate their full length. The same seed makes the same
 * requests. Each random quantity has its own generator, so changing one does not change the others.
 */
export function makeRequests(kinds: RequestKinds): ServingRequest[] {
  const { count, seed, adapters, popularity, promptTokens, newTokens, vocabSize } = kinds;
  const root = new Generator(seed);
  const [whose, lengths, ends, tokens] = ["adapter", "prompt", "new", "tokens"].map((name) => root.fork(name)) as [
    Generator,
    Generator,
    Generator,
    Generator,
  ];
  return Array.from({ length: count }, (_, i) => {
    const prompt = new Int32Array(promptTokens(lengths));
    tokens.fillInt(prompt, 0, vocabSize);
    return {
      id: `${seed}-${i}`,
      prompt: { tokens: [...prompt] },
      adapter: adapters[popularity(whose)]!,
      tenant: "bench",
      maxNewTokens: newTokens(ends),
      sampling: { temperature: 0 },
      ignoreEos: true,
    };
  });
}

/** Makes an endless sequence of requests, `count` for each seed. */
export function* endlessRequests(kinds: RequestKinds): IteratorObject<ServingRequest, never> {
  for (let { seed } = kinds; ; seed++) yield* makeRequests({ ...kinds, seed });
}
