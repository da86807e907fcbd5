import type { Stops } from "../settings/stops.ts";
import type { StopFilter } from "./rowText.ts";

/** Returns a filter that finds these stop sequences in one generated sequence. */
export function stopFilter({ sequences, texts, kept }: Stops): StopFilter {
  const tokens = new Holdback<number>(sequences);
  const units = new Holdback<string>(texts);
  const longest = Math.max(...kept.map((stop) => stop.length));
  /**
   * The last characters of the text, up to the length of the longest text in `stopStrings`. They are kept because a
   * stop text may begin in them and end in later text.
   */
  let tail = "";
  let keptEnds = false;
  return {
    get stopped() {
      return tokens.stopped || units.stopped || keptEnds;
    },
    pushToken: (token) => tokens.push(token),
    pushText: (text) => {
      tail += text;
      if (kept.some((stop) => tail.includes(stop))) keptEnds = true;
      tail = tail.slice(-longest);
      return text
        .split("")
        .flatMap((unit) => units.push(unit))
        .join("");
    },
    flushTokens: () => tokens.flush(),
    flushText: () => units.flush().join(""),
  };
}

/**
 * Finds stop sequences in a stream of items (tokens or characters). Returns items until a stop sequence is complete,
 * but holds back items that may be the start of one.
 */
export class Holdback<T, S extends ArrayLike<T> = ArrayLike<T>> {
  readonly #stops: readonly S[];
  readonly #includeStop: boolean;
  #held: T[] = [];
  /**
   * The stop sequence that was found; null if none was found yet. If several end at the same item, it is the longest.
   * Later items are dropped.
   */
  found: S | null = null;

  /** `includeStop`: also return the items of the stop sequence. Default false. */
  constructor(stops: readonly S[], includeStop: boolean = false) {
    this.#stops = stops;
    this.#includeStop = includeStop;
  }

  /** True once a stop sequence is complete. */
  get stopped(): boolean {
    return this.found !== null;
  }

  /**
   * Adds an item, and returns the items that can no longer be part of a stop sequence. If `mayStop` is false, a stop
   * sequence that ends with this item is ignored.
   */
  push(item: T, mayStop = true): T[] {
    if (this.stopped) return [];
    this.#held.push(item);
    const complete = mayStop ? this.#stops.filter((stop) => this.#endsWith(stop, stop.length)) : [];
    for (const stop of complete) if (stop.length > (this.found?.length ?? 0)) this.found = stop;
    const kept = this.found ? (this.#includeStop ? 0 : this.found.length) : this.#begun();
    return this.#held.splice(0, this.#held.length - kept);
  }

  /** Returns the items that are still held back. Call it once, at the end of the stream. */
  flush(): T[] {
    return this.stopped ? [] : this.#held.splice(0);
  }

  /** Returns how many of the last held items may be the start of a stop sequence. */
  #begun(): number {
    let most = 0;
    for (const stop of this.#stops) {
      for (let n = stop.length - 1; n > most; n--) if (this.#endsWith(stop, n)) most = n;
    }
    return most;
  }

  /** Returns true if the held items end with the first `n` items of `stop`. */
  #endsWith(stop: ArrayLike<T>, n: number): boolean {
    const from = this.#held.length - n;
    if (from < 0) return false;
    for (let i = 0; i < n; i++) if (this.#held[from + i] !== stop[i]) return false;
    return true;
  }
}
