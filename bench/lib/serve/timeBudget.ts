/** The time that a benchmark may take. Parts that would end after it are left out, with a line. */
export class TimeBudget {
  readonly #end: number;

  constructor(seconds: number) {
    this.#end = performance.now() + 1000 * seconds;
  }

  /** Returns true if a part that takes so many seconds on an idle machine is to run. */
  allows(part: string, seconds: number): boolean {
    const left = (this.#end - performance.now()) / 1000;
    if (seconds <= left) return true;
    console.log(`\nleft out: ${part}, which takes ${seconds} s; ${Math.max(0, left).toFixed(0)} s are left`);
    return false;
  }
}
