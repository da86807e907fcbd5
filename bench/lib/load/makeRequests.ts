import { Generator } from "@lowrank/core";
import type { ServingRequest } from "@lowrank/serve";

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

/** A random variable: each call draws one value. */
type Draw = (generator: Generator) => number;

/** Returns a value from 0 (inclusive) to 1 (exclusive) in steps of 2^-32, finer than the generator's f32. */
function unit(generator: Generator): number {
  const word = new Int32Array(1);
  generator.fillInt(word, -(2 ** 31), 2 ** 31);
  return (word[0]! + 2 ** 31) / 2 ** 32;
}

/** Draws integers from `low` to `high` with equal probability. */
export function uniform(low: number, high: number): Draw {
  return (generator) => low + Math.floor(unit(generator) * (high - low + 1));
}

/** Draws ranks 0 to n - 1 by Zipf's law: the probability of rank k is proportional to 1 / (k + 1)^s. */
export function zipf(n: number, s: number): Draw {
  const upTo = new Float64Array(n);
  let sum = 0;
  for (let k = 0; k < n; k++) {
    sum += (k + 1) ** -s;
    upTo[k] = sum;
  }
  return (generator) => {
    const wanted = unit(generator) * sum;
    let low = 0;
    let high = n - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (upTo[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** Draws the time between two arrivals of a Poisson process with `rate` arrivals per unit of time. */
export function exponential(rate: number): Draw {
  return (generator) => -Math.log(1 - unit(generator)) / rate;
}
