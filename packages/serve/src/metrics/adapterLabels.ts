/** Options for `AdapterLabels`. */
interface LabelOptions {
  /** Maximum number of adapters that have their own label at the same time. */
  readonly most: number;
  /** Milliseconds without use after which a label may be given to another adapter. */
  readonly idleMs: number;
  /** Called with the name of an adapter that lost its label. */
  readonly onDrop: (name: string) => void;
  /** Clock in milliseconds. Default: the system's. */
  readonly now?: () => number;
}

/**
 * Chooses the adapters that have their own label in metrics: those used recently. All others have the label "other". A
 * label is given to another adapter only after some time without use. Otherwise a thousand adapters used in turn would
 * create a new series with each request.
 */
export class AdapterLabels {
  readonly #options: LabelOptions;
  readonly #now: () => number;
  /** Time of the last use by name, longest idle first. */
  readonly #used = new Map<string, number>();

  constructor(options: LabelOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Returns the label of an adapter and records a use; "" for the base model. */
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
