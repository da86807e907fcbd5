/** Row of a comparison.json that `lowrank compare` wrote. */
export interface ComparedRow {
  /** Title of the method, followed by its size if a budget chose it: "LoRA, r 9". */
  readonly method: string;
  /** Flag and value of the size: "r 9"; null for the method's own size. */
  readonly size: string | null;
  readonly trainable: number;
  readonly bytesSaved: number;
  readonly peakTensorBytes: number;
  readonly stepMilliseconds: number;
  readonly latencyMilliseconds: number;
  readonly mergedLatencyMilliseconds: number | null;
  readonly learningRate: number;
  readonly seeds: number;
  readonly loss: number;
  readonly lossDeviation: number;
  readonly exactMatch: number | null;
  readonly exactMatchDeviation: number | null;
  readonly forgetting: number | null;
  readonly forgettingDeviation: number | null;
}

/** A comparison.json that `lowrank compare` wrote. */
export interface ComparedFile {
  readonly methods: readonly ComparedRow[];
  readonly runs: readonly {
    readonly job: { readonly method: string; readonly steps: number; readonly batchSize: number };
    readonly error?: string;
    readonly measured?: { readonly lossBefore: number; readonly earlierLossBefore?: number };
  }[];
}

/** Rows with about equally many trained parameters. `budget` is null for methods at their own size. */
export interface RowGroup {
  readonly budget: number | null;
  readonly rows: readonly ComparedRow[];
}

/**
 * Divides rows by the nearest budget, as a ratio. Rows without a chosen size form the last group. The best exact match
 * comes first, and the lowest loss among equal ones.
 */
export function groupRows(rows: readonly ComparedRow[], budgets: readonly number[]): RowGroup[] {
  const nearest = ({ trainable }: ComparedRow): number => {
    const far = (budget: number) => Math.abs(Math.log(trainable / budget));
    return budgets.reduce((best, budget) => (far(budget) < far(best) ? budget : best));
  };
  const best = (group: readonly ComparedRow[]) =>
    [...group].sort((a, b) => (b.exactMatch ?? 0) - (a.exactMatch ?? 0) || a.loss - b.loss);
  const sized = budgets.map((budget): RowGroup => {
    return { budget, rows: best(rows.filter((row) => row.size !== null && nearest(row) === budget)) };
  });
  const own = best(rows.filter(({ size }) => size === null));
  return [...sized, { budget: null, rows: own }].filter(({ rows }) => rows.length > 0);
}

/** Returns rows with the times of other rows, which were measured while nothing else ran. */
export function withTimes(rows: readonly ComparedRow[], timed: readonly ComparedRow[]): ComparedRow[] {
  const found = new Map(timed.map((row) => [row.method, row]));
  return rows.map((row) => {
    const times = found.get(row.method);
    if (times === undefined) throw new Error(`no times were measured for ${row.method}`);
    const { stepMilliseconds, latencyMilliseconds, mergedLatencyMilliseconds } = times;
    return { ...row, stepMilliseconds, latencyMilliseconds, mergedLatencyMilliseconds };
  });
}

/** Title of a row's method without its size. */
export function titleOf({ method, size }: ComparedRow): string {
  return size === null ? method : method.slice(0, method.lastIndexOf(", "));
}

/** Returns a Markdown table of rows. */
export function rowsTable(rows: readonly ComparedRow[]): string {
  const spread = (mean: number | null, deviation: number | null, seeds: number, show: (n: number) => string) =>
    mean === null ? "-" : seeds > 1 ? `${show(mean)} ±${show(deviation ?? 0)}` : show(mean);
  const fixed = (digits: number) => (value: number) => value.toFixed(digits);
  const lines = rows.map((row) => {
    const { seeds, mergedLatencyMilliseconds: merged } = row;
    return [
      titleOf(row),
      row.size === null ? "-" : `\`${row.size}\``,
      row.trainable.toLocaleString("en"),
      spread(row.exactMatch, row.exactMatchDeviation, seeds, (share) => (100 * share).toFixed(1)),
      spread(row.loss, row.lossDeviation, seeds, fixed(3)),
      spread(row.forgetting, row.forgettingDeviation, seeds, fixed(2)),
      `${(row.peakTensorBytes / 1e6).toFixed(1)} MB`,
      row.stepMilliseconds.toFixed(0),
      merged === null ? "-" : merged.toFixed(merged < 100 ? 1 : 0),
    ];
  });
  const titles = ["method", "size", "trained", "exact %", "loss", "forgetting", "memory", "step ms", "merged ms"];
  const rule = ["---", "---", "--:", "---", "---", "---", "--:", "--:", "--:"];
  return [titles, rule, ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
