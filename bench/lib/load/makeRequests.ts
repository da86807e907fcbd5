import { Generator } from "@lowrank/core";
import type { ServingRequest } from "@lowrank/serve";
import type { Draw } from "./draws.ts";

/** The requests that a load consists of. */
export interface RequestKinds {
  readonly count: number;
  readonly seed: number;
  /** The names of adapters, the most popular first; null is the base model. */
  readonly adapters: readonly (string | null)[];
  /** Draws a request's place in `adapters`. */
  readonly popularity: Draw;
  readonly promptTokens: Draw;
  readonly newTokens: Draw;
  readonly vocabSize: number;
}

/**
 * Makes greedy requests of random tokens that always run to their full length. The same seed makes
 * the same requests; what is drawn for one kind does not move what is drawn for another.
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

/** Makes requests without end, as many of each seed as `count` says. */
export function* endlessRequests(kinds: RequestKinds): IteratorObject<ServingRequest, never> {
  for (let { seed } = kinds; ; seed++) yield* makeRequests({ ...kinds, seed });
}
