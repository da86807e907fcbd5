import type { TensorSpec } from "@lowrank/core/backend";

/** An input of an example: random numbers of moderate size. */
export interface ExampleInput extends TensorSpec {
  /** Numbers are from 0 to 1, as those of a second moment. */
  readonly positive?: boolean;
  /** Integers are below it. */
  readonly below?: number;
  /** The numbers themselves. */
  readonly values?: readonly number[];
}

/** A small call of an op, of the same kind as a large one. */
export interface Example<P = unknown> {
  readonly inputs: readonly ExampleInput[];
  readonly params: P;
}

/**
 * Makes a small call for the kind of call that an op was given: as long rows and as large heads,
 * but few of them. Returns nothing for calls that are not to be checked.
 */
export type ExampleOf<P> = (inputs: readonly TensorSpec[], params: P) => Example<P> | undefined;
