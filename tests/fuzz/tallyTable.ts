import { WrongIds } from "./attempts/attempt.ts";
import type { Report } from "./child.ts";

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

/** The outcome of a case. Clear errors ("clear") and usable files ("fine") are good. */
export type Verdict = "fine" | "clear" | "foreign" | "hang" | "growth" | "ids";

/** All verdicts, the good ones first. */
const verdicts: readonly Verdict[] = ["fine", "clear", "foreign", "hang", "growth", "ids"];

/** True for outcomes that are failures. */
export const isBad = (verdict: Verdict): boolean => verdict !== "fine" && verdict !== "clear";

/** Phrases of JavaScript's own errors, wrapped or not. */
const foreignWords =
  /Cannot read propert|Cannot destructure|is not iterable|is not a function|Invalid (array|string|typed array) length|Maximum call stack|undefined is not|Array buffer allocation|Cannot mix BigInt|Cannot convert|out of bounds of|\[object Object\]/;

/**
 * Classifies the error of an attempt. A clear error is an `Error`, or an instance of a class of Lowrank, and its
 * message names the damaged files' label or one of their names. After the files are accepted, errors need not name
 * them.
 */
export function judgeError(
  error: unknown,
  { names, accepted }: { names: readonly string[]; accepted: boolean },
): Verdict {
  if (error instanceof WrongIds) return "ids";
  if (!(error instanceof Error) || isNative(error)) return "foreign";
  const { message } = error;
  if (message.trim() === "" || foreignWords.test(message)) return "foreign";
  return accepted || names.some((name) => message.includes(name)) ? "clear" : "foreign";
}

/** Codes of Node's own errors, such as ENOENT and ERR_INVALID_ARG_TYPE. Codes of Lowrank have other names. */
const nodeCode = /^(ERR_|E[A-Z0-9]+$)/;

/** True for errors that JavaScript, WebAssembly or Node throw, not code of Lowrank. */
function isNative(error: Error): boolean {
  const natives = [TypeError, RangeError, ReferenceError, SyntaxError, EvalError, URIError, AggregateError];
  if (natives.some((Native) => error instanceof Native)) return true;
  return error instanceof DOMException || error instanceof WebAssembly.RuntimeError || isNodes(error);
}

function isNodes(error: Error): boolean {
  return "syscall" in error || ("code" in error && nodeCode.test(String(error.code)));
}
