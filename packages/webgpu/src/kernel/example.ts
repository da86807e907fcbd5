import type { TensorSpec } from "@lowrank/core/backend";

/** An input tensor of an example call. By default its values are random and of moderate size. */
export interface ExampleInput extends TensorSpec {
  /** True to draw values from 0 to 1, for inputs such as second moments. Default: false. */
  readonly positive?: boolean;
  /** Exclusive upper bound of the random values of an integer input. Default: 2. */
  readonly below?: number;
  /** The values of the input, instead of random ones. */
  readonly values?: readonly number[];
}

/** A small call of an op, on which a kernel is compared with the op's reference. */
export interface Example<P = unknown> {
  readonly inputs: readonly ExampleInput[];
  readonly params: P;
}

/**
 * Makes a small example call for checking the kernel that a given call would run: the same row length and head size,
 * but few rows and heads. Returns undefined if the call needs no check.
 */
export type ExampleOf<P> = (inputs: readonly TensorSpec[], params: P) => Example<P> | undefined;
