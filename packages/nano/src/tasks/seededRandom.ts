/** A small seeded random generator for task data. The same seed gives the same values on every machine. */
export interface SeededRandom {
  /** Returns an integer in [0, bound). */
  below(bound: number): number;
  /** Returns true with the given probability. */
  chance(probability: number): boolean;
  /** Returns one of the items, each with equal probability. */
  pick<T>(items: readonly T[]): T;
}

/**
 * Returns a generator whose seed combines `seed` and a hash of the name `stream`, so different names give different
 * values. The generator is SplitMix32 (Steele, Lea and Flood 2014), the hash is FNV-1a.
 */
export function seededRandom(seed: number, stream: string): SeededRandom {
  let state = seed >>> 0;
  for (let at = 0; at < stream.length; at++) state = Math.imul(state ^ stream.charCodeAt(at), 0x01000193);
  const next = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  const below = (bound: number): number => Math.floor((next() / 2 ** 32) * bound);
  return {
    below,
    chance: (probability) => next() / 2 ** 32 < probability,
    pick: (items) => items[below(items.length)],
  };
}
