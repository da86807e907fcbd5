import type { Shape, TensorSpec } from "@lowrank/core/backend";
import type { GeneratorState } from "@lowrank/core/functions";
import type { Example, ExampleInput, ExampleOf } from "../kernel/kernel.ts";

/**
 * Parameters of an optimiser step. `guard` is the mode of the step's guard (see `Guard`); undefined if the step has no
 * guard.
 */
interface Guarded {
  readonly guard?: "obey" | "test";
}

/** Makes an example from the inputs of a call, with smaller shapes and the same parameters. */
type Shrink = <P>(inputs: readonly TensorSpec[], params: P) => Example<P>;

/** Returns an f32 input of an example. */
export const f32 = (...shape: number[]): ExampleInput => ({ shape, dtype: "f32" });

/** Returns an i32 input of an example, with values from 0 to `below` - 1. */
export const ids = (below: number, ...shape: number[]): ExampleInput => ({ shape, dtype: "i32", below });

/** Returns the size of the last dimension. */
export const last = (shape: Shape): number => shape[shape.length - 1];

/** Returns a function that makes an example: `to` maps the shape of each input to the smaller shape. */
const shaped =
  (to: (shape: Shape) => Shape): Shrink =>
  (inputs, params) => ({ inputs: inputs.map((input) => ({ ...input, shape: to(input.shape) })), params });

/** Reduces each input to 37 elements, for elementwise ops. */
export const numbers: Shrink = shaped(() => [37]);

/** Reduces each input to three rows and keeps the row length. One-dimensional inputs are kept. */
export const rows: Shrink = shaped((shape) => (shape.length < 2 ? shape : [3, last(shape)]));

/**
 * Makes an example for ops along dimension `dim`: that dimension keeps its size, and all others are reduced to at most
 * 2.
 */
export function lanes<P extends { readonly dim: number }>(inputs: readonly TensorSpec[], params: P): Example<P> {
  const to = (shape: Shape) =>
    shape.map((size, d) => (d === (params.dim + shape.length) % shape.length ? size : Math.min(size, 2)));
  return shaped(to)(inputs, params);
}

/**
 * Returns the guard of an optimiser step's example, or an empty list if the step has no guard. A guard is an extra
 * input; a non-finite value in it means that the step must not be applied.
 */
export const guardInput = ({ guard }: Guarded): ExampleInput[] => (guard === undefined ? [] : [f32(3)]);

/**
 * Makes the example of an optimiser step. The inputs at the indices `positive` hold squares, so their values are from 0
 * to 1. The learning rate is large, so that errors are visible in the parameters.
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

/** A fixed state of the random generator, for examples with random draws. */
export const state: GeneratorState = { seed: 7, stream: [1, 2], offset: 3 };
