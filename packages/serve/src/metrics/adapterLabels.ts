/** Options of `AdapterLabels`. */
interface LabelOptions {
  /** The most adapters that are counted by name at a time. */
  readonly most: number;
  /** Milliseconds without use after which a label may be given to another adapter. */
  readonly idleMs: number;
  /** Called with the name of an adapter that lost its label. */
  readonly onDrop: (name: string) => void;
  /** The time in milliseconds. Default: the machine's. */
  readonly now?: () => number;
}

/**
 * The adapters that metrics count by name: the ones used of late. All others are "other". A name
 * gives way only if it was idle for some time, so that a thousand adapters in turn make no new
 * series with each request.
 */
export class AdapterLabels {
  readonly #options: LabelOptions;
  readonly #now: () => number;
  /** The time of the last use, by name, the longest idle first. */
  readonly #used = new Map<string, number>();

  constructor(options: LabelOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Returns the label of an adapter, which is used now: "" for the base model. */
  of(adapter: string | null): string {
    if (adapter === null) return "";
    if (!this.#used.delete(adapter) && !this.#hasRoom()) return "other";
    this.#used.set(adapter, this.#now());
    return adapter;
  }

  #hasRoom(): boolean {
    const { most, idleMs, onDrop } = this.#options;
    if (this.#used.size < most) return true;
    const [first] = this.#used;
    if (first === undefined || this.#now() - first[1] < idleMs) return false;
    this.#used.delete(first[0]);
    onDrop(first[0]);
    return true;
  }
}
