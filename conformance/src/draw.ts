import { Generator } from "@lowrank/core";

/** Seeded random choices. The same seed, stream and sequence of calls give the same results. */
export class Draw {
  #generator: Generator;

  constructor(seed: number, stream: number) {
    this.#generator = new Generator(seed).fork(stream);
  }

  /** Returns other choices, which leave the results of further calls of this object as they are. */
  fork(stream: string): Draw {
    const other = new Draw(0, 0);
    other.#generator = this.#generator.fork(stream);
    return other;
  }

  /** Returns an integer from `low` to `high`, inclusive. */
  integer(low: number, high: number): number {
    const out = new Int32Array(1);
    this.#generator.fillInt(out, low, high + 1);
    return out[0];
  }

  /** Returns true with the given probability. */
  chance(probability: number): boolean {
    const out = new Float32Array(1);
    this.#generator.fillUniform(out);
    return out[0] < probability;
  }

  pick<const T>(values: readonly T[]): T {
    return values[this.integer(0, values.length - 1)];
  }

  /** Returns a random, nonempty subset of the values, in their order. */
  some<T>(values: readonly T[]): T[] {
    const chosen = values.filter(() => this.chance(0.5));
    return chosen.length > 0 ? chosen : [this.pick(values)];
  }

  /** Returns the options with the given probability, otherwise no options. */
  maybe<T extends object>(probability: number, options: () => T): Partial<T> {
    return this.chance(probability) ? options() : {};
  }
}
