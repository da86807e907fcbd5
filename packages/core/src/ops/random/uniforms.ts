import { Generator, type GeneratorState } from "../../random/random.ts";

/** A generator that goes on from a state. */
export function generatorAt(state: GeneratorState): Generator {
  const generator = new Generator(state.seed);
  generator.state = state;
  return generator;
}

/** The next `count` uniform numbers from a state. */
export function uniformsOf(count: number, state: GeneratorState): Float32Array {
  const uniforms = new Float32Array(count);
  generatorAt(state).fillUniform(uniforms);
  return uniforms;
}
