import { Generator } from "./random.ts";

let shared: Generator | undefined;

/** Returns the generator of functions that were given none. Its seed is 0 unless `manualSeed` set it. */
export function defaultGenerator(): Generator {
  shared ??= new Generator(0);
  return shared;
}

/** Starts the generator of functions that were given none anew, as in PyTorch. Returns it. */
export function manualSeed(seed: number): Generator {
  const generator = defaultGenerator();
  generator.state = { seed, stream: [0, 0], offset: 0 };
  return generator;
}
