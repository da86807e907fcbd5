import type { Shape, TensorSpec } from "@lowrank/core/backend";
import type { GeneratorState } from "@lowrank/core/functions";
import type { Example, ExampleInput, ExampleOf } from "../kernel/example.ts";

/** Parameters of a step that may have a guard. */
interface Guarded {
  readonly guard?: "obey" | "test";
}

/** Makes the example of a call from its inputs, and keeps its parameters. */
type Shrink = <P>(inputs: readonly TensorSpec[], params: P) => Example<P>;

/** Returns an input of numbers. */
export const f32 = (...shape: number[]): ExampleInput => ({ shape, dtype: "f32" });

/** Returns an input of integers from 0 on. */
export const ids = (below: number, ...shape: number[]): ExampleInput => ({ shape, dtype: "i32", below });

/** Returns the size of the last dimension. */
export const last = (shape: Shape): number => shape[shape.length - 1];

/** Gives each input another shape by its own. */
const shaped =
  (to: (shape: Shape) => Shape): Shrink =>
  (inputs, params) => ({ inputs: inputs.map((input) => ({ ...input, shape: to(input.shape) })), params });

/** Few numbers, for ops that work number by number. */
export const numbers: Shrink = shaped(() => [37]);

/** Few rows, each as long as it was; vectors stay. */
export const rows: Shrink = shaped((shape) => (shape.length < 2 ? shape : [3, last(shape)]));

/** Few lanes along a dimension, each as long as it was. */
export function lanes<P extends { readonly dim: number }>(inputs: readonly TensorSpec[], params: P): Example<P> {
  const to = (shape: Shape) =>
    shape.map((size, d) => (d === (params.dim + shape.length) % shape.length ? size : Math.min(size, 2)));
  return shaped(to)(inputs, params);
}

/** Returns the guard of an example of a step, where it has one. */
export const guardInput = ({ guard }: Guarded): ExampleInput[] => (guard === undefined ? [] : [f32(3)]);

/**
 * Makes the example of an optimiser's step. The tensors at `positive` hold squares. Its rate is
 * large, so that the step shows in the parameters.
 */
export const stepExample =
  <P extends Guarded & { readonly lr: number }>(positive: readonly number[] = []): ExampleOf<P> =>
  (inputs, params): Example<P> => {
    const guard = guardInput(params);
    const parameter = Array.from({ length: inputs.length - guard.length }, (_, i): ExampleInput => {
      return { ...f32(37), positive: positive.includes(i) };
    });
    return { inputs: [...parameter, ...guard], params: { ...params, lr: 0.5 } };
  };

/** The first places of random numbers. */
export const state: GeneratorState = { seed: 7, stream: [1, 2], offset: 3 };
