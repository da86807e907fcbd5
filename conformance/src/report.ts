import type { Findings } from "./compare.ts";

/** Prints a line for each check and counts them. Skips checks whose name lacks one of the words. */
export class Report {
  readonly #words: readonly string[];
  #passed = 0;
  #failed = 0;
  #skipped = 0;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  /** Runs a check. An error that it throws is a failure. Returns true if it passed, otherwise prints `hints`. */
  async check(name: string, trial: () => Promise<Findings>, hints: readonly string[] = []): Promise<boolean> {
    if (!this.#words.every((word) => name.includes(word))) return false;
    try {
      const { differences, problems } = await trial();
      if (problems.length > 0) return this.#fail(name, [...problems, ...hints]);
      this.#passed++;
      const figures = [...differences].map(([kind, difference]) => `${kind} ${difference.toExponential(1)}`);
      console.log(`ok      ${name} (${figures.join(", ")})`);
      return true;
    } catch (error) {
      return this.#fail(name, [error instanceof Error ? (error.stack ?? error.message) : String(error), ...hints]);
    }
  }

  /** Prints that something was skipped, and why. */
  skip(what: string): void {
    this.#skipped++;
    console.log(`skipped ${what}`);
  }

  /** Prints the counts and returns the exit code. It is 1 for failures and if no check's name matched the words. */
  close(): number {
    const none = this.#passed + this.#failed + this.#skipped === 0;
    if (none) console.log(`no check's name holds all of: ${this.#words.join(", ")}`);
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    return this.#failed > 0 || none ? 1 : 0;
  }

  #fail(name: string, problems: readonly string[]): false {
    this.#failed++;
    console.log(`FAILED  ${name}`);
    for (const problem of problems) console.log(`        ${problem.replaceAll("\n", "\n        ")}`);
    return false;
  }
}
