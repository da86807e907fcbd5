/** Number of later uses, of any adapters, after which a use counts half as much. */
const halfLife = 2000;

/** Maximum number of versions whose counts are kept. The least recently used are dropped. */
const most = 10_000;

/** Counts the uses of adapter versions. Recent uses count more than older ones. */
export class UseCounts {
  /**
   * Logarithm to base 2 of the weighted number of uses, by version. The weight of a new use doubles with every
   * `halfLife` uses of any adapters. Counts of earlier uses therefore need no update.
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

/** Count of a version without uses, which is lower than all other counts. */
export const unused = -1;

/**
 * Yields items by `uses`, lowest first. Callers mostly need only the first item, so the others are sorted only when
 * they are needed.
 */
export function* leastFirst<T extends { readonly uses: number }>(things: readonly T[]): Generator<T> {
  if (things.length === 0) return;
  let least = things[0];
  for (const thing of things) if (thing.uses < least.uses) least = thing;
  yield least;
  yield* things.filter((thing) => thing !== least).sort((a, b) => a.uses - b.uses);
}
