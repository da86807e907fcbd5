import { Generator } from "@lowrank/core";

/** Returns a random integer from 0 to `below - 1`. */
export type Random = (below: number) => number;

/** Returns random integers that depend only on the seed and the stream. */
export function seededRandom(seed: number, stream: number): Random {
  const generator = new Generator(seed).fork(stream);
  const out = new Int32Array(1);
  return (below) => {
    generator.fillInt(out, 0, below);
    return out[0];
  };
}

/** Returns one of the values. */
export function pick<T>(random: Random, values: readonly T[]): T {
  return values[random(values.length)];
}

/** Calls `make` `count` times and returns its results. */
export function times<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}
