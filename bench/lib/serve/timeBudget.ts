/** A part of the serving benchmark. */
export type Part =
  | "thousands of adapters"
  | "mixed batches"
  | "the base model"
  | "the base model beside adapters"
  | "llama.cpp"
  | "the Poisson load"
  | "llama.cpp with other types of weights"
  | "rank 64"
  | "wllama";

/** The time limit of a benchmark. Parts that would exceed it are skipped with a message. */
export class TimeBudget {
  readonly #end: number;
  readonly #only: Part | undefined;

  /** `only` is the single part to run. Default: all parts. */
  constructor(seconds: number, only?: Part) {
    this.#end = performance.now() + 1000 * seconds;
    this.#only = only;
  }

  /** Returns true if a part that takes `seconds` on an idle machine should run. */
  allows(part: Part, seconds: number): boolean {
    if (this.#only !== undefined) return part === this.#only;
    const left = (this.#end - performance.now()) / 1000;
    if (seconds <= left) return true;
    console.log(`\nleft out: ${part}, which takes ${seconds} s; ${Math.max(0, left).toFixed(0)} s are left`);
    return false;
  }
}
