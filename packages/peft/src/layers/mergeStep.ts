import type { Tensor } from "@lowrank/core";
import type { Module } from "@lowrank/nn";

/** A value of a base module that a merge replaces. */
export interface Replacement {
  /** The path of the parameter, which names it in messages. */
  path: string;
  /** The modules that hold it, more than one where it is tied. */
  owners: readonly Module[];
  key: string;
  /** f32, to be rounded to the dtype of the value that it replaces. */
  value: Tensor;
}

/** An adapter on one base module: its output beside it, and the values of a merge of it alone. */
interface LiveAdapter {
  forward(x: Tensor): Tensor;
  merged(): Replacement[];
}

/** One base module and its merge. */
export interface MergeStep {
  /** Of the module, in the base model. */
  path: string;
  module: Module;
  /**
   * The values that all merged adapters give together, made anew at every
   * call; the caller frees them.
   */
  merged(): Replacement[];
  /** The adapters that are merged here, one by one. */
  live: readonly LiveAdapter[];
  /** Rows of an embedding where adapters act; absent where they act on all. */
  rows?: readonly number[];
}
