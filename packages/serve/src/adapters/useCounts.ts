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

  /** Counts a use. */
  count(version: string): void {
    const now = this.#uses++ / halfLife;
    const before = this.#counts.get(version);
    this.#counts.delete(version);
    this.#counts.set(version, before === undefined ? now : now + Math.log2(1 + 2 ** (before - now)));
    for (const oldest of this.#counts.keys()) {
      if (this.#counts.size <= most) break;
      this.#counts.delete(oldest);
    }
  }

  /**
   * Gives versions in the order of their counts; of those used once, the oldest comes first. Mostly
   * one is enough, so that the others are put in order only when they are asked for.
   */
  *leastFirst<T extends { readonly version: string }>(versions: readonly T[]): Generator<T> {
    const counts = versions.map(({ version }) => this.#counts.get(version) ?? -1);
    let least = 0;
    for (let i = 1; i < counts.length; i++) if (counts[i] < counts[least]) least = i;
    if (counts.length > 0) yield versions[least];
    const others = [...counts.keys()].filter((i) => i !== least).sort((a, b) => counts[a] - counts[b]);
    for (const i of others) yield versions[i];
  }
}
