import { formatTally } from "@lowrank/test-support/tally";
import type { Check } from "./check/compare.ts";
import { exceptionOf } from "./check/exceptions.ts";

/** Counts golden checks, and prints those with an error or a note. */
export class GoldenCount {
  readonly #tally = { passed: 0, failed: 0 };
  readonly #skipped = new Map<string, string>();
  readonly #start = performance.now();
  #excepted = 0;

  add(check: Check, backend: string): void {
    const { name, error, note, skipped } = check;
    if (note !== undefined) console.log(`${name} on ${backend}: ${note}`);
    const exception = exceptionOf(backend, check);
    if (skipped !== undefined) this.#skipped.set(name === "all" ? `all on ${backend}` : name, skipped);
    else if (error === undefined) this.#tally.passed++;
    else if (exception !== undefined) {
      this.#excepted++;
      console.log(`excepted ${name} on ${backend}: ${error} (${exception})`);
    } else {
      this.#tally.failed++;
      console.log(`FAILED ${name} on ${backend}: ${error}`);
    }
  }

  /**
   * Prints the count at the end of the run, and returns true if all checks passed. `empty` is printed if there were
   * none.
   */
  end(empty: string): boolean {
    for (const [name, reason] of this.#skipped) console.log(`skipped ${name}: ${reason}`);
    const { passed, failed } = this.#tally;
    if (passed + failed + this.#excepted + this.#skipped.size === 0) {
      this.#tally.failed++;
      console.log(empty);
    }
    console.log(`${this.#excepted} excepted, ran for ${((performance.now() - this.#start) / 1000).toFixed(0)} s`);
    console.log(formatTally(this.#tally));
    return this.#tally.failed === 0;
  }
}
