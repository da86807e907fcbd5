import { Generator } from "./random.ts";

/**
 * The generator that `randn`, dropout and new layers use by default. Each program run and each worker starts with a
 * random seed, until `manualSeed` sets it.
 */
export const defaultGenerator: Generator = new Generator(Math.floor(Math.random() * 2 ** 53));

/**
 * Seeds the default generator, so that it draws the same values in each run and on every backend. Returns the
 * generator. `seed` is an integer from 0 to 2^53 - 1.
 */
export function manualSeed(seed: number): Generator {
  defaultGenerator.state = { seed, stream: [0, 0], offset: 0 };
  return defaultGenerator;
}
