import { Generator } from "@lowrank/core";

/**
 * Seeded choices: the same seed and stream, and the same questions in the same
 * order, give the same answers.
 */
export class Draw {
  readonly #generator: Generator;

  constructor(seed: number, stream: number) {
    this.#generator = new Generator(seed).fork(stream);
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    const out = new Int32Array(1);
    this.#generator.fillInt(out, low, high + 1);
    return out[0];
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    const out = new Float32Array(1);
    this.#generator.fillUniform(out);
    return out[0] < probability;
  }

  pick<const T>(values: readonly T[]): T {
    return values[this.integer(0, values.length - 1)];
  }

  /** Some of the values, at least one of them, in their order. */
  some<T>(values: readonly T[]): T[] {
    const chosen = values.filter(() => this.chance(0.5));
    return chosen.length > 0 ? chosen : [this.pick(values)];
  }

  /** Options that are set with the given probability, and else left to their defaults. */
  maybe<T extends object>(probability: number, options: () => T): Partial<T> {
    return this.chance(probability) ? options() : {};
  }
}
