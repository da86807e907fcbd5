/**
 * Passes items on, one by one, until the first of several stops is complete. Items that may turn
 * out to be a part of a stop are held back.
 */
export class Holdback<T> {
  readonly #stops: readonly ArrayLike<T>[];
  #held: T[] = [];
  /** True once a stop is complete; nothing passes any more. */
  stopped = false;

  constructor(stops: readonly ArrayLike<T>[]) {
    this.#stops = stops;
  }

  /** The items that this one lets pass; none of a stop. */
  push(item: T): T[] {
    if (this.stopped) return [];
    this.#held.push(item);
    const complete = Math.max(
      0,
      ...this.#stops.filter((stop) => this.#endsWith(stop, stop.length)).map((s) => s.length),
    );
    this.stopped = complete > 0;
    return this.#held.splice(0, this.#held.length - (complete || this.#begun()));
  }

  /** The items still held back: call it once, at the end. */
  flush(): T[] {
    return this.stopped ? [] : this.#held.splice(0);
  }

  /** The number of held items that are the start of a stop. */
  #begun(): number {
    let most = 0;
    for (const stop of this.#stops) {
      for (let n = stop.length - 1; n > most; n--) if (this.#endsWith(stop, n)) most = n;
    }
    return most;
  }

  /** True if the held items end with the first `n` of `stop`. */
  #endsWith(stop: ArrayLike<T>, n: number): boolean {
    const from = this.#held.length - n;
    if (from < 0) return false;
    for (let i = 0; i < n; i++) if (this.#held[from + i] !== stop[i]) return false;
    return true;
  }
}
