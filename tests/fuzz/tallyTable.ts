import type { Report } from "./child.ts";
import { isBad, type Verdict, verdicts } from "./judge.ts";

type Counts = Record<Verdict, number>;

/** Counts the outcomes of cases by the kind of file, and keeps one case of each failure. */
export class TallyTable {
  readonly #rows = new Map<string, Counts>();
  readonly #failures = new Map<string, { report: Report; count: number }>();

  add(report: Report): void {
    const { kind, verdict } = report;
    const row = this.#rows.get(kind) ?? (Object.fromEntries(verdicts.map((one) => [one, 0])) as Counts);
    row[verdict]++;
    this.#rows.set(kind, row);
    if (!isBad(verdict)) return;
    const key = signature(report);
    const known = this.#failures.get(key);
    if (known) known.count++;
    else this.#failures.set(key, { report, count: 1 });
  }

  get total(): Counts & { cases: number } {
    const sum = (verdict: Verdict) => [...this.#rows.values()].reduce((total, row) => total + row[verdict], 0);
    const counts = Object.fromEntries(verdicts.map((verdict) => [verdict, sum(verdict)])) as Counts;
    return { cases: Object.values(counts).reduce((a, b) => a + b, 0), ...counts };
  }

  /** Yields the table of outcomes by file kind, and the totals. */
  *table(): Generator<string> {
    const line = (name: string, cells: readonly (string | number)[]) =>
      name.padEnd(32) + cells.map((cell) => String(cell).padStart(9)).join("");
    const cases = (row: Counts) => verdicts.reduce((sum, verdict) => sum + row[verdict], 0);
    const cells = (row: Counts) => [cases(row), ...verdicts.map((verdict) => row[verdict])];
    yield line("file", ["cases", ...verdicts]);
    for (const [kind, row] of [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1))) yield line(kind, cells(row));
    yield line("all", cells(this.total));
  }

  /** Yields each kind of failure, with the command that reproduces it. */
  *failures(seed: number): Generator<string> {
    for (const { report, count } of [...this.#failures.values()].sort((a, b) => b.count - a.count)) {
      const { verdict, what, message, number } = report;
      yield `${verdict} (${count}): ${message ?? ""}\n  ${what}\n  pnpm fuzz --seed ${seed} --only ${number}`;
    }
  }
}

/** Returns the identity of a failure: the same message except for digits and names, and the same source line. */
function signature({ kind, verdict, message = "", stack = "" }: Report): string {
  const frame = stack.split("\n").find((line) => /^\s+at .*(packages|node_modules)\//.test(line)) ?? "";
  const words = message.replaceAll(/"[^"]*"|\d+/g, "*").slice(0, 80);
  return [verdict, frame.trim() || `${kind} ${words}`].join("\n");
}
