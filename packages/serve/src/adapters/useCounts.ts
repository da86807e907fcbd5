/** Uses of all versions after which a use counts half. */
const halfLife = 2000;

/** The most versions whose uses are known; those used longest ago are forgotten. */
const most = 10_000;

/** The uses of versions, of which those of late count most. */
export class UseCounts {
  /**
   * The logarithm to base 2 of a version's uses, where one counts twice as much as another that was
   * a half-life before. So no count changes as time goes by.
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

/** The count of a version without a use. */
export const unused = -1;

/**
 * Gives things in the order of their counts of uses; of those used once, the oldest comes first.
 * Mostly one is enough, so that the others are put in order only when they are asked for.
 */
export function* leastFirst<T extends { readonly uses: number }>(things: readonly T[]): Generator<T> {
  if (things.length === 0) return;
  let least = things[0];
  for (const thing of things) if (thing.uses < least.uses) least = thing;
  yield least;
  yield* things.filter((thing) => thing !== least).sort((a, b) => a.uses - b.uses);
}
