import { Generator, type GeneratorState } from "../../random/random.ts";

/** Returns a generator with the given state. */
export function generatorAt(state: GeneratorState): Generator {
  const generator = new Generator(state.seed);
  generator.state = state;
  return generator;
}

/** Returns the next `count` uniform values of a generator state. */
export function uniformsOf(count: number, state: GeneratorState): Float32Array {
  const uniforms = new Float32Array(count);
  generatorAt(state).fillUniform(uniforms);
  return uniforms;
}
