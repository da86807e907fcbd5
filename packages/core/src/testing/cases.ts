import type { Tensor } from "../engine/tensor.ts";
import type { Input } from "./input.ts";

/**
 * A test case: one call of a function, for which every backend must return the same result as the reference backend.
 */
export interface OpCase {
  readonly name?: string;
  readonly inputs: readonly Input[];
  /** Calls the function. For in-place functions it returns the tensors that were written to. */
  readonly run: (inputs: Tensor[]) => Tensor | readonly Tensor[];
  /** Positions of inputs whose gradients are compared. Default: all f32 ones. */
  readonly gradients?: readonly number[];
  /**
   * Largest error allowed, relative to the tensor's largest entry. Default 1e-5, about 80 units in the last place of
   * f32.
   */
  readonly tolerance?: number;
}

/** The test cases of each named function. */
export type Cases<Name extends string> = { readonly [K in Name]: readonly OpCase[] };

type Options = Omit<Input, "shape">;

/** Describes an f32 input of a test case. */
export const x = (shape: readonly number[], options: Options = {}): Input => ({ shape, ...options });

/** Describes an i32 input of a test case with random elements from 0 to `size` - 1. */
export const index = (shape: readonly number[], size: number): Input => ({ shape, dtype: "i32", high: size });

const awkward = [Number.NaN, Infinity, -Infinity, 0, -0, 1, -1, 1e30, -1e30, 1e-30, 1e-42, 100, -100, 88.5, -103];

/**
 * Test cases of an elementwise function: a scalar, an empty tensor, odd sizes, several dimensions, and special values.
 */
export function unaryCases(f: (x: Tensor) => Tensor, options: Options = {}): OpCase[] {
  const shapes = [[], [0], [1], [3], [2, 3, 5], [37]];
  const run = ([a]: Tensor[]) => f(a);
  return [
    ...shapes.map((shape) => ({ inputs: [x(shape, options)], run })),
    { name: "awkward numbers", inputs: [x([awkward.length], { values: awkward })], run, gradients: [] },
  ];
}

const broadcasts = [
  [[], []],
  [[0], [0]],
  [[3], [1]],
  [[19], [19]],
  [[4, 5], [5]],
  [[7, 33], [33]],
  [
    [6, 5],
    [6, 1],
  ],
  [
    [4, 1],
    [1, 5],
  ],
  [
    [2, 3, 4],
    [2, 1, 4],
  ],
  [
    [2, 1, 3, 1],
    [5, 1, 4],
  ],
  [[2, 3], []],
  [[0, 3], [3]],
] as const;

/** Test cases of a broadcasting function: each kind of broadcast of either operand, and pairs of special values. */
export function binaryCases(
  f: (x: Tensor, y: Tensor) => Tensor,
  left: Options = {},
  right: Options = {},
  gradients?: readonly number[],
): OpCase[] {
  const run = ([a, b]: Tensor[]) => f(a, b);
  const pairs = awkward.flatMap((a) => awkward.map((b) => [a, b]));
  const column = (k: 0 | 1) => x([pairs.length], { values: pairs.map((pair) => pair[k]) });
  return [
    ...broadcasts.flatMap(([a, b]) => [
      { inputs: [x(a, left), x(b, right)], run, gradients },
      { inputs: [x(b, left), x(a, right)], run, gradients },
    ]),
    { name: "awkward numbers", inputs: [column(0), column(1)], run, gradients: [] },
  ];
}

/** Returns a test case for each of several ways to call a function, all with the same inputs. */
export function calls(
  inputs: readonly Input[],
  ...runs: ((...inputs: Tensor[]) => Tensor | readonly Tensor[])[]
): OpCase[] {
  return runs.map((f) => ({ inputs, run: (tensors) => f(...tensors) }));
}

/** Returns test cases in which gradients are compared only for the inputs at the positions `gradients`. */
export function withGradients(gradients: readonly number[], cases: readonly OpCase[]): OpCase[] {
  return cases.map((opCase) => ({ ...opCase, gradients }));
}
