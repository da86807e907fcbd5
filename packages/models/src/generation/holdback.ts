/**
 * Passes items on, one by one, until the first of several stops is complete. Items that may turn
 * out to be a part of a stop are held back.
 */
export class Holdback<T, S extends ArrayLike<T> = ArrayLike<T>> {
  readonly #stops: readonly S[];
  readonly #includeStop: boolean;
  #held: T[] = [];
  /** The complete stop, the longest of several: all later items are dropped. Null before. */
  found: S | null = null;

  /** With `includeStop`, the items of the complete stop pass too. */
  constructor(stops: readonly S[], includeStop: boolean = false) {
    this.#stops = stops;
    this.#includeStop = includeStop;
  }

  /** True once a stop is complete. */
  get stopped(): boolean {
    return this.found !== null;
  }

  /** The items that this one lets pass. No stop ends with an item that `mayStop` is false for. */
  push(item: T, mayStop = true): T[] {
    if (this.stopped) return [];
    this.#held.push(item);
    const complete = mayStop ? this.#stops.filter((stop) => this.#endsWith(stop, stop.length)) : [];
    for (const stop of complete) if (stop.length > (this.found?.length ?? 0)) this.found = stop;
    const kept = this.found ? (this.#includeStop ? 0 : this.found.length) : this.#begun();
    return this.#held.splice(0, this.#held.length - kept);
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
