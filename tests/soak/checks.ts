import { formatTally, type Tally } from "@lowrank/test-support/tally";

/** The maximum number of printed problems of one kind; further ones are only counted. */
const mostPrinted = 5;

/** Counts checks by kind, and prints the first failures of each kind immediately. */
export class Checks {
  readonly #counts = new Map<string, Tally>();
  readonly #start = performance.now();

  /** Counts one check, which passes if `problem` is undefined. */
  count(kind: string, problem?: string): void {
    const count = this.#counts.get(kind) ?? { passed: 0, failed: 0 };
    this.#counts.set(kind, count);
    if (problem === undefined) count.passed++;
    else if (++count.failed <= mostPrinted) this.say(`FAILED ${kind}: ${problem}`);
  }

  /** Runs a check; an error that it throws is its problem. */
  async run(kind: string, check: () => Promise<unknown>): Promise<void> {
    try {
      await check();
      this.count(kind);
    } catch (error) {
      this.count(kind, (error as Error).message);
    }
  }

  /** Prints a line with the seconds since the start. */
  say(line: string): void {
    console.log(`${((performance.now() - this.#start) / 1000).toFixed(1).padStart(7)} s  ${line}`);
  }

  /** The total of all kinds. */
  get total(): Tally {
    const total = { passed: 0, failed: 0 };
    for (const { passed, failed } of this.#counts.values()) {
      total.passed += passed;
      total.failed += failed;
    }
    return total;
  }

  /** Returns a line for each kind, and a line for the total at the end. */
  lines(): string[] {
    const lines = [...this.#counts].sort().map(([kind, { passed, failed }]) => {
      return `${String(passed).padStart(8)} passed ${String(failed).padStart(6)} failed  ${kind}`;
    });
    return [...lines, formatTally(this.total)];
  }
}
