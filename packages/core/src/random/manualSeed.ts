import { Generator } from "./random.ts";

/**
 * The generator used by default: by `randn([2, 3])`, dropout and new layers. Each program start, and each worker, has a
 * random seed until `manualSeed` sets it.
 */
export const defaultGenerator: Generator = new Generator(Math.floor(Math.random() * 2 ** 53));

/**
 * Seeds the default generator, so that its values are the same in each run, on every backend. Returns it. `seed` is an
 * integer from 0 to 2^53 - 1.
 */
export function manualSeed(seed: number): Generator {
  defaultGenerator.state = { seed, stream: [0, 0], offset: 0 };
  return defaultGenerator;
}
