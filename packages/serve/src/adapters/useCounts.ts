/** Number of later uses, of any adapters, after which a use counts half. */
const halfLife = 2000;

/** Most versions whose counts are kept. The least recently used are dropped. */
const most = 10_000;

/** Counts the uses of adapter versions. Recent uses count more than older ones. */
export class UseCounts {
  /**
   * Logarithm to base 2 of the weighted number of uses, by version. A new use weighs twice as much as one `halfLife`
   * uses before. So old counts need no update.
   */
  readonly #counts = new Map<string, number>();
  #uses = 0;

  /** Counts a use, and returns the version's count. */
  count(version: string): number {
    const now = this.#uses++ / halfLife;
    const before = this.#counts.get(version);
    const count = before === undefined ? now : now + Math.log2(1 + 2 ** (before - now));
    this.#counts.delete(version);
    this.#counts.set(version, count);
    for (const oldest of this.#counts.keys()) {
      if (this.#counts.size <= most) break;
      this.#counts.delete(oldest);
    }
    return count;
  }
}

/** Count of an unused version. */
export const unused = -1;

/**
 * Yields items by use count, lowest first; of items used once, the oldest first. Callers mostly need one item, so the
 * rest is sorted only when asked for.
 */
export function* leastFirst<T extends { readonly uses: number }>(things: readonly T[]): Generator<T> {
  if (things.length === 0) return;
  let least = things[0];
  for (const thing of things) if (thing.uses < least.uses) least = thing;
  yield least;
  yield* things.filter((thing) => thing !== least).sort((a, b) => a.uses - b.uses);
}
