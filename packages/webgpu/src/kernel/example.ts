import type { TensorSpec } from "@lowrank/core/backend";

/** An input of an example; by default it holds random values of moderate size. */
export interface ExampleInput extends TensorSpec {
  /** True for values from 0 to 1, such as second moments. */
  readonly positive?: boolean;
  /** Integers are less than this bound. */
  readonly below?: number;
  /** Explicit values instead of random ones. */
  readonly values?: readonly number[];
}

/** A small call of an op, of the same kind as a large one. */
export interface Example<P = unknown> {
  readonly inputs: readonly ExampleInput[];
  readonly params: P;
}

/**
 * Makes a small example of the kind of call that an op received: the same row length and head size, but few rows and
 * heads. Returns undefined for calls that need no check.
 */
export type ExampleOf<P> = (inputs: readonly TensorSpec[], params: P) => Example<P> | undefined;
