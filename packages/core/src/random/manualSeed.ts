import { Generator } from "./random.ts";

/**
 * The generator that draws where none is given: `randn([2, 3])`, dropout, new layers. Each start
 * of the program, and each worker, has another seed until `manualSeed` sets it.
 */
export const defaultGenerator: Generator = new Generator(Math.floor(Math.random() * 2 ** 53));

/**
 * Seeds the default generator, so that what is drawn from it is the same each time, on every
 * backend. Returns it. `seed` is an integer from 0 to 2^53 - 1.
 */
export function manualSeed(seed: number): Generator {
  defaultGenerator.state = { seed, stream: [0, 0], offset: 0 };
  return defaultGenerator;
}
