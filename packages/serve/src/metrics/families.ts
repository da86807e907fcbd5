/** Upper bounds, in seconds, of the buckets in the histogram of adapter load times. */
export const loadBounds: readonly number[] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Names and values of the labels of a Prometheus series. */
export type Labels = Readonly<Record<string, string | number>>;

/** Prometheus metric with all its series, in the text format 0.0.4. */
export interface Family {
  /** Returns the metric's lines. `constant` labels are added to each series. */
  lines(constant?: Labels): string[];
}

/** Values of a metric, one for each combination of label values. */
class Series<T> {
  readonly #values = new Map<string, { readonly labels: Labels; value: T }>();

  get(labels: Labels): T | undefined {
    return this.#values.get(keyOf(labels))?.value;
  }

  set(labels: Labels, value: T): void {
    this.#values.set(keyOf(labels), { labels, value });
  }

  /** Removes all series whose label `name` has this value. */
  drop(name: string, value: string): void {
    for (const [key, { labels }] of this.#values) if (labels[name] === value) this.#values.delete(key);
  }

  clear(): void {
    this.#values.clear();
  }

  all(): readonly { readonly labels: Labels; readonly value: T }[] {
    return [...this.#values.values()];
  }
}

/** Prometheus counter or gauge, with a value for each combination of label values. */
export class NumberFamily implements Family {
  readonly name: string;
  readonly #head: readonly string[];
  readonly #series = new Series<number>();

  constructor(type: "counter" | "gauge", name: string, help: string) {
    this.name = name;
    this.#head = headOf(type, name, help);
  }

  inc(labels: Labels = {}, by = 1): void {
    this.#series.set(labels, (this.#series.get(labels) ?? 0) + by);
  }

  set(labels: Labels, value: number): void {
    this.#series.set(labels, value);
  }

  /** Removes all series whose label `name` has this value. */
  drop(name: string, value: string): void {
    this.#series.drop(name, value);
  }

  /** Removes all series. */
  clear(): void {
    this.#series.clear();
  }

  lines(constant: Labels = {}): string[] {
    const own = this.#series.all().map(({ labels, value }) => line(this.name, { ...constant, ...labels }, value));
    return [...this.#head, ...own];
  }
}

/** Counts of a histogram. `buckets` has one element for each bound, and a last one for values above all bounds. */
export interface HistogramCounts {
  readonly buckets: number[];
  sum: number;
}

/** Returns a histogram's counts, all 0, for the given bounds of its buckets. */
export function noCounts(bounds: readonly number[]): HistogramCounts {
  return { buckets: new Array<number>(bounds.length + 1).fill(0), sum: 0 };
}

/** Counts a value in the first bucket whose bound is at least the value. */
export function countValue(counts: HistogramCounts, bounds: readonly number[], value: number): void {
  const at = bounds.findIndex((bound) => value <= bound);
  counts.buckets[at < 0 ? bounds.length : at] += 1;
  counts.sum += value;
}

/** Prometheus histogram, with counts for each combination of label values. */
export class HistogramFamily implements Family {
  readonly name: string;
  readonly #head: readonly string[];
  readonly #bounds: readonly number[];
  readonly #series = new Series<HistogramCounts>();

  constructor(name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.#head = headOf("histogram", name, help);
    this.#bounds = bounds;
  }

  observe(labels: Labels, value: number): void {
    const known = this.#series.get(labels);
    const counts = known ?? noCounts(this.#bounds);
    countValue(counts, this.#bounds, value);
    if (!known) this.#series.set(labels, counts);
  }

  /** Replaces the counts of a series by counts from another histogram, which must have the same bounds. */
  set(labels: Labels, counts: HistogramCounts): void {
    this.#series.set(labels, counts);
  }

  /** Removes all series whose label `name` has this value. */
  drop(name: string, value: string): void {
    this.#series.drop(name, value);
  }

  lines(constant: Labels = {}): string[] {
    const lines = [...this.#head];
    for (const { labels: own, value } of this.#series.all()) {
      const labels = { ...constant, ...own };
      let count = 0;
      for (const [i, bucket] of value.buckets.entries()) {
        count += bucket;
        const le = i < this.#bounds.length ? written(this.#bounds[i]) : "+Inf";
        lines.push(line(`${this.name}_bucket`, { ...labels, le }, count));
      }
      lines.push(line(`${this.name}_sum`, labels, value.sum), line(`${this.name}_count`, labels, count));
    }
    return lines;
  }
}

function headOf(type: string, name: string, help: string): string[] {
  const escaped = help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n");
  return [`# HELP ${name} ${escaped}`, `# TYPE ${name} ${type}`];
}

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels));
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(String(text))}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${written(value)}`;
}

function escapeLabel(text: string): string {
  return text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/"/g, '\\"');
}

function written(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
}
